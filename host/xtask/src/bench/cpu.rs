//! How much longer Python computes in the sandbox than natively.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use sandpiper::{Exec, Limits, Metering, Spec};

use super::native;
use super::samples::Samples;
use crate::{command_line, reference};

/// Each prints how many seconds its work took, by its own monotonic clock.
const WORK: [(&str, &str); 10] = [
    ("fib", "def f(n): return n if n < 2 else f(n-1) + f(n-2)\nwork = lambda: f(24)"),
    (
        "nbody",
        "def work():\n b=[[i*1.1+j*.7 for j in range(6)] for i in range(5)]\n for _ in range(3000):\n  for i in range(5):\n   for j in range(i):\n    d=[b[i][k]-b[j][k] for k in (0,1,2)]; m=.001/((d[0]**2+d[1]**2+d[2]**2)**1.5+1)\n    for k in (0,1,2): b[i][3+k]-=d[k]*m; b[j][3+k]+=d[k]*m\n  for x in b:\n   for k in (0,1,2): x[k]+=.001*x[3+k]",
    ),
    (
        "regex",
        "import re\nt='foo=1, bar=22; baz = 333 '*2000\nwork = lambda: re.findall(r'(\\w+)\\s*=\\s*(\\d+)', t)",
    ),
    (
        "json",
        "import json\nd={'k%d'%i:[i,i/3,str(i),None,True] for i in range(4000)}\nwork = lambda: json.loads(json.dumps(d))",
    ),
    (
        "strings",
        "def work():\n s=[]\n for i in range(40000): s.append('%d:%s'%(i,'x'*(i%17)))\n return ','.join(s).upper().split(',')",
    ),
    (
        "dict churn",
        "def work():\n d={}\n for i in range(120000):\n  d[i%5000]=d.get(i%5000,0)+i\n  if i%7==0: d.pop(i%5000,None)",
    ),
    ("sort", "x=[(i*7919)%100003 for i in range(60000)]\nwork = lambda: sorted(sorted(x), key=lambda v: -v)"),
    (
        "objects",
        "class P:\n def __init__(s,x): s.x=x\n def step(s): s.x+=1; return s.x\ndef work():\n for _ in range(40000): p=P(1); p.step(); p.step()",
    ),
    ("integers", "def work():\n a=1\n for i in range(1,1500): a=a*i+1\n return len(hex(a))"),
    ("sha256", "import hashlib\nb=b'x'*1000000\nwork = lambda: hashlib.sha256(b).digest()"),
];

/// Prints the seconds of each of some runs, after one that is not counted.
const TIMER: &str = "\nimport time\nwork()\nfor _ in range(7):\n start=time.perf_counter(); work(); print(time.perf_counter()-start)";
/// Processes of each kind, in turn, so that a noisy moment hits all alike.
const ROUNDS: usize = 5;
const METERINGS: [Metering; 2] = [Metering::Fuel, Metering::Deadline];

pub(crate) fn cpu() -> Result<()> {
    command_line::sandpiper()?.run(&["image", "build"])?;
    let python = reference::reference()?.python;
    println!("native: {} ({})", native::version(&python)?, python.display());
    let engine = sandpiper::engine(&reference::cache_dir()?)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    println!("p50 and p99 as multiples of the native p50");
    println!("{:<12} {:>10} {:>9} {:>16} {:>16}", "", "native ms", "p99", "fuel", "deadline");
    let mut sums = [0.0; 2];
    for (name, source) in WORK {
        let program = format!("{source}{TIMER}");
        let mut native = Samples::default();
        let mut guest = METERINGS.map(|_| Samples::default());
        for _ in 0..ROUNDS {
            let output =
                Command::new(&python).args(["-I", "-S", "-c", &program]).output().context("native python")?;
            ensure!(output.status.success(), "native {name}: {}", String::from_utf8_lossy(&output.stderr));
            take(&output.stdout, &mut native)?;
            for (metering, samples) in METERINGS.into_iter().zip(&mut guest) {
                let limits = Limits { metering, wall: Duration::from_mins(2), ..Limits::default() };
                let spec = Spec { limits, ..Spec::default() };
                let exec = Exec::new(["python3", "-I", "-S", "-c", &program]);
                let outcome = runtime.block_on(sandpiper::run(&engine, spec, exec))?;
                ensure!(outcome.exit.success(), "{name}: {}", String::from_utf8_lossy(&outcome.stderr.bytes));
                take(&outcome.stdout.bytes, samples)?;
            }
        }
        let base = native.quantile(0.5).as_secs_f64();
        let ratio = |samples: &Samples, share| samples.quantile(share).as_secs_f64() / base;
        print!("{name:<12} {:>10.2} {:>9.2}", base * 1e3, ratio(&native, 0.99));
        for (samples, sum) in guest.iter().zip(&mut sums) {
            print!(" {:>9.2} {:>6.2}", ratio(samples, 0.5), ratio(samples, 0.99));
            *sum += ratio(samples, 0.5).ln();
        }
        println!();
    }
    let [fuel, deadline] = sums.map(|sum: f64| (sum / 10.0).exp());
    println!("{:<12} {:>20} {fuel:>9.2} {deadline:>16.2}", "geo. mean", "");
    Ok(())
}

fn take(printed: &[u8], into: &mut Samples) -> Result<()> {
    for line in String::from_utf8_lossy(printed).lines() {
        into.push(Duration::try_from_secs_f64(line.parse()?)?);
    }
    Ok(())
}
