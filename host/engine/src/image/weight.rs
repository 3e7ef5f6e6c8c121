//! How heavy a module, or a component with all modules in it, is to compile, told before it is
//! compiled.
//!
//! A compiler's time and memory are not bounded by a module's size: some constructs take longer than
//! linear, so that 60 KB can take minutes, and no limit of the sandbox applies yet. So each construct
//! weighs about what it costs, in units of what a byte of ordinary code takes: 0.4 microseconds of one
//! 2026 server core. The factors were measured with modules made of one construct each; whatever is
//! super-linear in them (nesting, loops by locals, blocks by locals) is so in the weight too.

use wasmparser::{
    BinaryReaderError, BlockType, FuncValidator, FuncValidatorAllocations, FunctionBody, Operator, Parser,
    Payload, ValidPayload, Validator, ValidatorResources, WasmModuleResources,
};

/// Heaviest function: some seconds and half a gigabyte. That of CPython's largest is 2 million.
const MAX_FUNCTION_WEIGHT: u64 = 8_000_000;
/// Heaviest module: a minute or two of one core. CPython's weight is some 30 million.
const MAX_MODULE_WEIGHT: u64 = 200_000_000;

/// What a function, an import or a type weighs besides its content: it gets code of its own.
const DEFINITION: u64 = 400;
/// A call saves and loads the fuel, and what is live across it.
const CALL: u64 = 40;
/// A value that a loop may change is kept apart from what it was before the loop.
const LOOP_VALUE: u64 = 10;
/// Of the depths of all blocks together this many weigh one.
const DEPTHS: u64 = 8;
/// As [`DEPTHS`], of the values on the stack where blocks begin.
const LIVE_VALUES: u64 = 16;
/// As [`DEPTHS`], of the pairs of loops of a function.
const LOOP_PAIRS: u64 = 2;
/// As [`DEPTHS`], of the pairs of blocks of a function.
const BLOCK_PAIRS: u64 = 64;

/// Why a module is not compiled.
#[derive(Debug)]
pub(super) enum Unfit {
    /// No module, or none that could be valid.
    Malformed(BinaryReaderError),
    /// Too heavy; the text says what, and by how much.
    TooHeavy(String),
}

impl From<BinaryReaderError> for Unfit {
    fn from(err: BinaryReaderError) -> Self {
        Self::Malformed(err)
    }
}

/// Checks that compiling a valid module or component takes no longer than the bounds above.
///
/// # Errors
/// [`Unfit`].
pub(super) fn check(wasm: &[u8]) -> Result<(), Unfit> {
    let mut validator = Validator::new();
    let mut allocations = FuncValidatorAllocations::default();
    let mut weight: u64 = 0;
    for payload in Parser::new(0).parse_all(wasm) {
        let payload = payload?;
        if let ValidPayload::Func(function, body) = validator.payload(&payload)? {
            let mut function = function.into_validator(allocations);
            let own = function_weight(&mut function, &body)?;
            if own > MAX_FUNCTION_WEIGHT {
                return Err(Unfit::TooHeavy(format!(
                    "it would take too long to compile: function {} weighs {own} units, at most \
                     {MAX_FUNCTION_WEIGHT} are compiled",
                    function.index()
                )));
            }
            allocations = function.into_allocations();
            weight = weight.saturating_add(own);
        }
        let definitions = match &payload {
            Payload::TypeSection(section) => section.count(),
            Payload::ImportSection(section) => section.count(),
            Payload::CoreTypeSection(section) => section.count(),
            Payload::ComponentTypeSection(section) => section.count(),
            Payload::ComponentImportSection(section) => section.count(),
            Payload::ComponentCanonicalSection(section) => section.count(),
            _ => 0,
        };
        weight = weight.saturating_add(DEFINITION.saturating_mul(u64::from(definitions)));
        if weight > MAX_MODULE_WEIGHT {
            return Err(Unfit::TooHeavy(format!(
                "it would take too long to compile: it weighs more than {MAX_MODULE_WEIGHT} units"
            )));
        }
    }
    Ok(())
}

/// Weighs a function, and validates it on the way: that is how the height of the stack is known.
fn function_weight(
    function: &mut FuncValidator<ValidatorResources>,
    body: &FunctionBody<'_>,
) -> Result<u64, Unfit> {
    function.read_locals(&mut body.get_binary_reader())?;
    let locals = u64::from(function.len_locals());
    let mut weight = Sum(DEFINITION);
    weight.add(long(body.range().len()));
    weight.add(locals);
    let (mut depths, mut live_values) = (Sum(0), Sum(0));
    let (mut blocks, mut loops) = (0_u64, 0_u64);
    // Whether each open block is a loop.
    let mut open: Vec<bool> = Vec::new();
    let mut loop_depth = 0;
    let mut operators = body.get_operators_reader()?;
    while !operators.eof() {
        let (operator, offset) = operators.read_with_offset()?;
        function.op(offset, &operator)?;
        let (entered, is_loop) = match operator {
            Operator::Loop { blockty } => (Some(blockty), true),
            Operator::Block { blockty } | Operator::If { blockty } => (Some(blockty), false),
            Operator::TryTable { ref try_table } => (Some(try_table.ty), false),
            Operator::Else
            | Operator::BrIf { .. }
            | Operator::BrOnNull { .. }
            | Operator::BrOnNonNull { .. } => (Some(BlockType::Empty), false),
            Operator::Call { .. }
            | Operator::CallIndirect { .. }
            | Operator::CallRef { .. }
            | Operator::ReturnCall { .. }
            | Operator::ReturnCallIndirect { .. }
            | Operator::ReturnCallRef { .. } => {
                weight.add(CALL);
                (None, false)
            }
            Operator::End => {
                loop_depth -= u64::from(open.pop() == Some(true));
                (None, false)
            }
            _ => (None, false),
        };
        let Some(ty) = entered else { continue };
        blocks += 1;
        weight.add(locals);
        live_values.add(u64::from(function.operand_stack_height()));
        depths.add(u64::from(function.control_stack_height()));
        weight.add(carried(ty, function.resources()).saturating_mul(LOOP_VALUE));
        if opens(&operator) {
            open.push(is_loop);
        }
        if is_loop {
            loops += 1;
            loop_depth += 1;
            weight.add(loop_depth);
            weight.add(locals.saturating_mul(LOOP_VALUE));
        }
    }
    weight.add(depths.0 / DEPTHS);
    weight.add(live_values.0 / LIVE_VALUES);
    weight.add(blocks.saturating_mul(blocks) / BLOCK_PAIRS);
    weight.add(loops.saturating_mul(loops) / LOOP_PAIRS);
    Ok(weight.0)
}

fn opens(operator: &Operator<'_>) -> bool {
    matches!(
        operator,
        Operator::Loop { .. } | Operator::Block { .. } | Operator::If { .. } | Operator::TryTable { .. }
    )
}

/// How many values a block takes and gives.
fn carried(ty: BlockType, resources: &ValidatorResources) -> u64 {
    match ty {
        BlockType::Empty => 0,
        BlockType::Type(_) => 1,
        BlockType::FuncType(index) => match resources.sub_type_at(index).map(|ty| &ty.composite_type.inner) {
            Some(wasmparser::CompositeInnerType::Func(ty)) => long(ty.params().len() + ty.results().len()),
            _ => 0,
        },
    }
}

/// A sum that stays at the largest number.
struct Sum(u64);

impl Sum {
    fn add(&mut self, amount: u64) {
        self.0 = self.0.saturating_add(amount);
    }
}

pub(super) fn long(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(text: &str) -> Result<(), String> {
        check(&wat::parse_str(text).unwrap()).map_err(|unfit| match unfit {
            Unfit::TooHeavy(text) => text,
            Unfit::Malformed(err) => panic!("{err}"),
        })
    }

    fn function(locals: usize, body: &str) -> String {
        format!("(func (local {}) {body})", "i32 ".repeat(locals))
    }

    #[test]
    fn what_takes_long_by_itself_is_refused_and_a_tenth_of_it_is_not() {
        let nested = |depth: usize| format!("{}{}", "loop ".repeat(depth), "end ".repeat(depth));
        let cases: [(&str, &dyn Fn(usize) -> String); 7] = [
            ("nested loops", &|size| function(0, &nested(size * 5))),
            ("nested blocks", &|size| function(0, &nested(size * 14).replace("loop", "block"))),
            ("loops after loops", &|size| function(0, &"(loop)".repeat(size * 5))),
            ("calls", &|size| function(0, &"(call 0)".repeat(size * 200))),
            ("loops by locals", &|size| function(1000, &"(loop)".repeat(size))),
            ("blocks by values on the stack", &|size| {
                let (values, drops) =
                    ("(i32.load (i32.const 0))".repeat(size * 20), "drop ".repeat(size * 20));
                function(0, &format!("{values}{}{drops}", "(if (i32.const 0) (then))".repeat(size * 10)))
            }),
            ("branches by locals", &|size| function(1000, &"(if (i32.const 0) (then))".repeat(size * 9))),
        ];
        for (name, body) in cases {
            let module = |size| format!("(module (memory 1) {})", body(size));
            let refusal = checked(&module(1000)).unwrap_err();
            assert!(refusal.contains("function 0 weighs"), "{name}: {refusal}");
            assert_eq!(checked(&module(100)), Ok(()), "{name}");
        }
    }

    #[test]
    fn parameters_are_locals_too() {
        let module = |parameters: usize| {
            let parameters = "i32 ".repeat(parameters);
            format!("(module (func (param {parameters}) {}))", "(loop)".repeat(1000))
        };
        assert!(checked(&module(1000)).is_err());
        assert!(checked(&module(10)).is_ok());
    }

    #[test]
    fn values_that_blocks_carry_count() {
        let module = |count: usize| {
            let parameters = "i32 ".repeat(count);
            let values = "(i32.const 0)".repeat(count);
            let (loops, drops) = ("(loop (type 1))".repeat(1000), "drop ".repeat(count));
            format!(
                "(module (type (func)) (type (func (param {parameters}) (result {parameters}))) (func (type 0) {values} {loops} {drops}))"
            )
        };
        assert!(checked(&module(1000)).is_err());
        assert!(checked(&module(10)).is_ok());
    }

    #[test]
    fn modules_within_components_are_weighed_and_counted_together() {
        let heavy = |count: usize| function(0, &"(call 0)".repeat(count));
        for nesting in [["(component ", ")"], ["(component (component ", "))"]] {
            let component = |count| format!("{}(core module {}){}", nesting[0], heavy(count), nesting[1]);
            assert!(checked(&component(200_000)).unwrap_err().contains("function 0 weighs"));
            assert_eq!(checked(&component(20_000)), Ok(()));
        }
        let many = format!("(core module {})", "(func)".repeat(100_000));
        assert!(checked(&format!("(component {})", many.repeat(5))).unwrap_err().contains("it weighs more"));
        assert_eq!(checked(&format!("(component {many})")), Ok(()));
    }

    #[test]
    fn many_functions_together_are_too_heavy() {
        let module = |count: usize| format!("(module {})", "(func)".repeat(count));
        assert!(checked(&module(500_000)).unwrap_err().contains("it weighs more than 200000000"));
        assert!(checked(&module(50_000)).is_ok());
    }
}
