//! Functions as `declare -f` and `type` show them.

use super::ast::{
    Argument, Arm, ArmEnd, AssignedValue, Assignment, Bytes, Command, Connector, Function, HereDocument,
    Item, Kind, List, Operation, Pipeline, Redirect, RedirectTarget, Test, TimeStyle, Word,
};
use std::rc::Rc;

/// `name () ...`, with a newline at its end.
pub fn function(function: &Function) -> Bytes {
    let mut printer = Printer::default();
    printer.text(&function.name);
    printer.text(b" () \n");
    printer.body(&function.body);
    printer.out.push(b'\n');
    printer.out
}

/// What stands in the environment for an exported function.
pub fn function_value(function: &Function) -> Bytes {
    let mut printer = Printer::default();
    printer.text(b"() ");
    printer.body(&function.body);
    printer.out
}

#[derive(Default)]
struct Printer {
    out: Bytes,
    indent: usize,
    /// Bodies that go behind the end of the line.
    documents: Vec<Rc<HereDocument>>,
}

impl Printer {
    fn text(&mut self, text: &[u8]) {
        self.out.extend_from_slice(text);
    }

    fn flush_documents(&mut self) {
        self.out.push(b'\n');
        for document in std::mem::take(&mut self.documents) {
            if let Some(body) = document.body.get() {
                self.out.extend_from_slice(&body.text);
            }
            self.out.extend_from_slice(&document.delimiter);
            self.out.push(b'\n');
        }
    }

    fn newline(&mut self) {
        self.out.push(b'\n');
        self.out.resize(self.out.len() + self.indent, b' ');
    }

    fn body(&mut self, body: &Command) {
        match &body.kind {
            Kind::Group(list) => {
                self.text(b"{ ");
                self.indented(list);
                self.text(b"}");
            }
            _ => {
                self.text(b"{ ");
                self.indent += 4;
                self.newline();
                self.command(body);
                self.indent -= 4;
                self.newline();
                self.text(b"}");
                return;
            }
        }
        self.redirects(&body.redirects);
    }

    /// A list on lines of its own, and the start of the next line.
    fn indented(&mut self, list: &List) {
        self.indent += 4;
        self.newline();
        self.list(list, false);
        self.indent -= 4;
        self.newline();
    }

    fn list(&mut self, list: &List, ends: bool) {
        for (at, item) in list.items.iter().enumerate() {
            self.item(item);
            let last = at + 1 == list.items.len();
            if item.background {
                self.text(if last { b" &" } else { b" & " });
                continue;
            }
            if !self.documents.is_empty() {
                self.flush_documents();
            } else if ends || !last {
                self.text(b";");
            }
            if !last {
                self.newline();
            }
        }
    }

    fn item(&mut self, item: &Item) {
        self.pipeline(&item.first);
        for (connector, pipeline) in &item.rest {
            self.text(match connector {
                Connector::And => b" && ",
                Connector::Or => b" || ",
            });
            self.pipeline(pipeline);
        }
    }

    fn pipeline(&mut self, pipeline: &Pipeline) {
        match pipeline.timed {
            Some(TimeStyle::Bash) => self.text(b"time "),
            Some(TimeStyle::Posix) => self.text(b"time -p "),
            None => {}
        }
        if pipeline.negated {
            self.text(b"! ");
        }
        for (at, command) in pipeline.stages.iter().enumerate() {
            if at > 0 {
                self.text(b" | ");
            }
            self.command(command);
            if command.pipes_errors {
                self.text(b" 2>&1");
            }
        }
    }

    fn words(&mut self, words: &[Word]) {
        for (at, word) in words.iter().enumerate() {
            if at > 0 {
                self.text(b" ");
            }
            self.text(&word.text);
        }
    }

    fn command(&mut self, command: &Command) {
        match &command.kind {
            Kind::Simple(simple) => {
                let mut parts: Vec<Bytes> = simple.assignments.iter().map(assignment).collect();
                parts.extend(simple.arguments.iter().map(|argument| match argument {
                    Argument::Word(word) => word.text.to_vec(),
                    Argument::Assignment(inner, _) => assignment(inner),
                }));
                self.text(&parts.join(b" ".as_slice()));
                if parts.is_empty() && !command.redirects.is_empty() {
                    let start = self.out.len();
                    self.redirects(&command.redirects);
                    self.out.remove(start);
                    return;
                }
            }
            Kind::Group(list) => {
                self.text(b"{ ");
                self.indented(list);
                self.text(b"}");
            }
            Kind::Subshell(list) => {
                self.text(b"( ");
                self.list(list, false);
                self.text(b" )");
            }
            Kind::If(branches, otherwise) => {
                for (at, (condition, body)) in branches.iter().enumerate() {
                    self.text(if at == 0 { b"if " } else { b"else\n" });
                    if at > 0 {
                        self.out.pop();
                        self.indent += 4;
                        self.newline();
                        self.text(b"if ");
                    }
                    self.list(condition, true);
                    self.text(b" then");
                    self.indent += 4;
                    self.newline();
                    self.list(body, true);
                    self.indent -= 4;
                    self.newline();
                }
                if let Some(list) = otherwise {
                    self.text(b"else");
                    self.indent += 4;
                    self.newline();
                    self.list(list, true);
                    self.indent -= 4;
                    self.newline();
                }
                self.text(b"fi");
                for _ in 1..branches.len() {
                    self.text(b";");
                    self.indent -= 4;
                    self.newline();
                    self.text(b"fi");
                }
            }
            Kind::While { until, condition, body } => {
                self.text(if *until { b"until " } else { b"while " });
                self.list(condition, true);
                self.text(b" do");
                self.loop_body(body);
            }
            Kind::For { name, words, body } | Kind::Select { name, words, body } => {
                self.text(if matches!(command.kind, Kind::For { .. }) { b"for " } else { b"select " });
                self.text(name);
                self.text(b" in ");
                match words {
                    Some(words) => self.words(words),
                    None => self.text(b"\"$@\""),
                }
                self.text(b";");
                self.newline();
                self.text(b"do");
                self.loop_body(body);
            }
            Kind::ArithmeticFor { parts, body } => {
                self.text(b"for ((");
                for (at, part) in parts.iter().enumerate() {
                    if at > 0 {
                        self.text(b"; ");
                    }
                    let text = part.word.text.trim_ascii();
                    self.text(if text.is_empty() { b"1" } else { text });
                }
                self.text(b"))");
                self.newline();
                self.text(b"do");
                self.loop_body(body);
            }
            Kind::Case { subject, arms } => self.case(subject, arms),
            Kind::Arithmetic(arithmetic) => {
                self.text(b"((");
                self.text(&arithmetic.word.text);
                self.text(b"))");
            }
            Kind::Test(test) => {
                self.text(b"[[ ");
                self.test(test);
                self.text(b" ]]");
            }
            Kind::Function(inner) => {
                self.text(b"function ");
                self.text(&inner.name);
                self.text(b" () ");
                self.newline();
                self.body(&inner.body);
            }
            Kind::Coprocess => self.text(&command.text),
        }
        self.redirects(&command.redirects);
    }

    fn loop_body(&mut self, body: &List) {
        self.indent += 4;
        self.newline();
        self.list(body, true);
        self.indent -= 4;
        self.newline();
        self.text(b"done");
    }

    fn case(&mut self, subject: &Word, arms: &[Arm]) {
        self.text(b"case ");
        self.text(&subject.text);
        self.text(b" in ");
        self.indent += 4;
        for arm in arms {
            self.newline();
            for (at, pattern) in arm.patterns.iter().enumerate() {
                if at > 0 {
                    self.text(b" | ");
                }
                self.text(&pattern.text);
            }
            self.text(b")");
            if !arm.body.items.is_empty() {
                self.indent += 4;
                self.newline();
                self.list(&arm.body, false);
                self.indent -= 4;
            }
            self.newline();
            self.text(match arm.end {
                ArmEnd::Leave => b";;",
                ArmEnd::FallThrough => b";&",
                ArmEnd::TestNext => b";;&",
            });
        }
        self.indent -= 4;
        self.newline();
        self.text(b"esac");
    }

    fn test(&mut self, test: &Test) {
        match test {
            Test::And(left, right) => {
                self.test(left);
                self.text(b" && ");
                self.test(right);
            }
            Test::Or(left, right) => {
                self.test(left);
                self.text(b" || ");
                self.test(right);
            }
            Test::Not(inner) => {
                self.text(b"! ");
                self.test(inner);
            }
            Test::Group(inner) => {
                self.text(b"( ");
                self.test(inner);
                self.text(b" )");
            }
            Test::Unary(operator, word) => {
                self.text(operator);
                self.text(b" ");
                self.text(&word.text);
            }
            Test::Binary(operator, left, right) => {
                self.text(&left.text);
                self.text(b" ");
                self.text(operator);
                self.text(b" ");
                self.text(&right.text);
            }
            Test::NonEmpty(word) => {
                self.text(b"-n ");
                self.text(&word.text);
            }
        }
    }

    fn redirects(&mut self, redirects: &[Redirect]) {
        for redirect in redirects {
            self.text(b" ");
            match &redirect.target {
                RedirectTarget::Default => {}
                RedirectTarget::Number(number) => {
                    let default = match &redirect.operation {
                        Operation::Read(_)
                        | Operation::HereString(_)
                        | Operation::HereDocument(_)
                        | Operation::ReadWrite(_) => 0,
                        Operation::Write(_) | Operation::Append(_) | Operation::Clobber(_) => 1,
                        _ => u32::MAX,
                    };
                    if *number != default {
                        self.text(number.to_string().as_bytes());
                    }
                }
                RedirectTarget::Variable(name) => self.text(&[b"{", name.as_slice(), b"}"].concat()),
            }
            self.redirect(redirect);
        }
    }

    fn redirect(&mut self, redirect: &Redirect) {
        let default = matches!(redirect.target, RedirectTarget::Default);
        let (operator, word): (&[u8], &Word) = match &redirect.operation {
            Operation::Read(word) => (b"< ", word),
            Operation::Write(word) => (b"> ", word),
            Operation::Clobber(word) => (b">| ", word),
            Operation::Append(word) => (b">> ", word),
            Operation::ReadWrite(word) => (b"<> ", word),
            Operation::Both { append: false, word } => (b"&> ", word),
            Operation::Both { append: true, word } => (b"&>> ", word),
            Operation::DuplicateInput(word) => (if default { b"0<&" } else { b"<&" }, word),
            Operation::DuplicateOutput(word) => {
                (if default && word.text.iter().all(u8::is_ascii_digit) { b"1>&" } else { b">&" }, word)
            }
            Operation::HereString(word) => (b"<<< ", word),
            Operation::HereDocument(document) => {
                self.text(if document.strip_tabs { b"<<-" } else { b"<<" });
                if document.quoted {
                    self.text(b"'");
                    self.text(&document.delimiter);
                    self.text(b"'");
                } else {
                    self.text(&document.delimiter);
                }
                self.documents.push(document.clone());
                return;
            }
        };
        self.text(operator);
        self.text(&word.text);
    }
}

fn assignment(assignment: &Assignment) -> Bytes {
    let mut out = assignment.name.clone();
    if let Some(subscript) = &assignment.subscript {
        out = [out.as_slice(), b"[", &subscript.text, b"]"].concat();
    }
    out.extend_from_slice(if assignment.append { b"+=" } else { b"=" });
    match &assignment.value {
        AssignedValue::Scalar(word) => out.extend_from_slice(&word.text),
        AssignedValue::Array(elements) => {
            let words: Vec<Bytes> = elements
                .iter()
                .map(|element| match &element.subscript {
                    Some(subscript) => {
                        [b"[".as_slice(), &subscript.text, b"]=", &element.value.text].concat()
                    }
                    None => element.value.text.to_vec(),
                })
                .collect();
            out.push(b'(');
            out.extend_from_slice(&words.join(b" ".as_slice()));
            out.push(b')');
        }
    }
    out
}
