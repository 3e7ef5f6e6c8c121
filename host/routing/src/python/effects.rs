//! What functions of Python's library, and of packages that everybody uses, do beyond computing.

/// What calling a function does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Connects; a literal argument may say where.
    Network,
    /// Listens.
    Port,
    /// Starts a thread.
    Thread,
    /// Makes a thread that something has to start.
    ThreadObject,
    /// Forks.
    Fork,
    /// Starts the program of its first argument, a list or one word, or with `shell=True` a script.
    Program,
    /// Starts the program of all its arguments.
    ProgramArguments,
    /// As those, with a mode first, or with the program's path before its arguments.
    ProgramReplaced,
    /// Runs its argument as a shell script.
    Script,
    /// Imports the module that its argument names.
    Import,
    /// Runs the file or module that its argument names.
    Run,
    /// Changes where modules are looked for.
    SearchPath,
    /// Ends the program.
    Exit,
    /// Runs the tests of this file.
    Tests,
}

const HTTP_VERBS: &[&str] = &["get", "post", "put", "patch", "delete", "head", "options", "request"];

/// The effect of a function by its full name; an instance is its class's name with `()`.
pub fn effect(function: &str) -> Option<Effect> {
    let (package, last) = function.rsplit_once('.')?;
    let effect = match package {
        "requests" | "httpx" if HTTP_VERBS.contains(&last) => Effect::Network,
        "requests.Session()" | "requests.session()" | "httpx.Client()" if HTTP_VERBS.contains(&last) => {
            Effect::Network
        }
        _ => match function {
            "urllib.request.urlopen"
            | "urllib.request.urlretrieve"
            | "urllib.request.build_opener().open"
            | "requests.Session"
            | "requests.session"
            | "httpx.Client"
            | "httpx.AsyncClient"
            | "httpx.stream"
            | "aiohttp.ClientSession"
            | "aiohttp.request"
            | "urllib3.PoolManager"
            | "urllib3.request"
            | "http.client.HTTPConnection"
            | "http.client.HTTPSConnection"
            | "socket.socket"
            | "socket.create_connection"
            | "socket.getaddrinfo"
            | "socket.gethostbyname"
            | "socket.socketpair"
            | "smtplib.SMTP"
            | "smtplib.SMTP_SSL"
            | "ftplib.FTP"
            | "ftplib.FTP_TLS"
            | "imaplib.IMAP4"
            | "imaplib.IMAP4_SSL"
            | "poplib.POP3"
            | "poplib.POP3_SSL"
            | "xmlrpc.client.ServerProxy"
            | "asyncio.open_connection"
            | "websockets.connect"
            | "websocket.create_connection"
            | "boto3.client"
            | "boto3.resource"
            | "boto3.Session"
            | "openai.OpenAI"
            | "openai.AsyncOpenAI"
            | "anthropic.Anthropic"
            | "anthropic.AsyncAnthropic"
            | "paramiko.SSHClient"
            | "psycopg2.connect"
            | "psycopg.connect"
            | "pymysql.connect"
            | "pymongo.MongoClient"
            | "redis.Redis"
            | "redis.from_url"
            | "yfinance.download"
            | "datasets.load_dataset"
            | "huggingface_hub.hf_hub_download"
            | "huggingface_hub.snapshot_download" => Effect::Network,
            "socket.create_server"
            | "socketserver.TCPServer"
            | "socketserver.UDPServer"
            | "socketserver.ThreadingTCPServer"
            | "socketserver.ThreadingUDPServer"
            | "http.server.HTTPServer"
            | "http.server.ThreadingHTTPServer"
            | "http.server.test"
            | "xmlrpc.server.SimpleXMLRPCServer"
            | "wsgiref.simple_server.make_server"
            | "asyncio.start_server"
            | "asyncio.start_unix_server"
            | "aiohttp.web.run_app"
            | "uvicorn.run"
            | "waitress.serve"
            | "flask.Flask().run"
            | "bottle.run" => Effect::Port,
            "threading.Thread" | "threading.Timer" => Effect::ThreadObject,
            "threading.Thread().start"
            | "threading.Timer().start"
            | "concurrent.futures.ThreadPoolExecutor"
            | "concurrent.futures.thread.ThreadPoolExecutor"
            | "multiprocessing.pool.ThreadPool"
            | "multiprocessing.dummy.Pool"
            | "multiprocessing.dummy.Process"
            | "asyncio.to_thread"
            | "_thread.start_new_thread" => Effect::Thread,
            "os.fork"
            | "os.forkpty"
            | "multiprocessing.Process"
            | "multiprocessing.Pool"
            | "multiprocessing.pool.Pool"
            | "multiprocessing.Queue"
            | "multiprocessing.JoinableQueue"
            | "multiprocessing.SimpleQueue"
            | "multiprocessing.Manager"
            | "multiprocessing.Lock"
            | "multiprocessing.Semaphore"
            | "multiprocessing.Event"
            | "multiprocessing.Barrier"
            | "multiprocessing.Value"
            | "multiprocessing.Array"
            | "multiprocessing.Pipe"
            | "multiprocessing.get_context().Pool"
            | "multiprocessing.get_context().Process"
            | "multiprocessing.get_context().Queue"
            | "concurrent.futures.ProcessPoolExecutor"
            | "concurrent.futures.process.ProcessPoolExecutor" => Effect::Fork,
            "subprocess.run"
            | "subprocess.call"
            | "subprocess.check_call"
            | "subprocess.check_output"
            | "subprocess.Popen" => Effect::Program,
            "asyncio.create_subprocess_exec" | "os.execlp" | "os.execl" => Effect::ProgramArguments,
            "os.execv" | "os.execvp" | "os.execve" | "os.execvpe" => Effect::ProgramReplaced,
            "os.system"
            | "os.popen"
            | "subprocess.getoutput"
            | "subprocess.getstatusoutput"
            | "asyncio.create_subprocess_shell" => Effect::Script,
            "importlib.import_module" => Effect::Import,
            "runpy.run_path" | "runpy.run_module" | "importlib.util.spec_from_file_location" => Effect::Run,
            "sys.path.insert" | "sys.path.append" | "sys.path.extend" | "site.addsitedir" => {
                Effect::SearchPath
            }
            "sys.exit" | "os._exit" => Effect::Exit,
            "unittest.main" => Effect::Tests,
            _ => return None,
        },
    };
    Some(effect)
}

/// Methods of a class of others that its owner calls by convention.
pub fn is_called_by_convention(method: &[u8]) -> bool {
    matches!(
        method,
        b"run" | b"handle" | b"main" | b"setUp" | b"tearDown" | b"setUpClass" | b"tearDownClass" | b"forward"
    ) || method.starts_with(b"test")
        || method.starts_with(b"do_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_connects_is_the_network() {
        assert_eq!(effect("requests.get"), Some(Effect::Network));
        assert_eq!(effect("requests.exceptions.Timeout"), None);
        assert_eq!(effect("urllib.parse.urlparse"), None);
        assert_eq!(effect("threading.Lock"), None);
    }
}
