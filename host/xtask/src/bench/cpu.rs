//! How much longer Python computes in the sandbox than natively.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use sandpiper::{Exec, Limits, Metering, Spec};

use super::native;
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

const TIMER: &str = "\nimport time\nwork()\ntimes=[]\nfor _ in range(7):\n start=time.perf_counter(); work(); times.append(time.perf_counter()-start)\nprint(sorted(times)[3])";

pub(crate) fn cpu() -> Result<()> {
    command_line::sandpiper()?.run(&["image", "build"])?;
    let python = reference::reference()?.python;
    println!("native: {} ({})", native::version(&python)?, python.display());
    let engine = sandpiper::engine(&reference::cache_dir()?)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    println!("{:<12} {:>10} {:>12} {:>12}", "", "native ms", "fuel", "deadline");
    let mut sums = [0.0; 2];
    for (name, source) in WORK {
        let program = format!("{source}{TIMER}");
        let output =
            Command::new(&python).args(["-I", "-S", "-c", &program]).output().context("native python")?;
        ensure!(output.status.success(), "native {name}: {}", String::from_utf8_lossy(&output.stderr));
        let native = seconds(&output.stdout)?;
        let mut ratios = [0.0; 2];
        for (metering, (ratio, sum)) in
            [Metering::Fuel, Metering::Deadline].into_iter().zip(ratios.iter_mut().zip(sums.iter_mut()))
        {
            let limits = Limits { metering, wall: Duration::from_mins(2), ..Limits::default() };
            let spec = Spec { limits, ..Spec::default() };
            let exec = Exec::new(["python3", "-I", "-S", "-c", &program]);
            let outcome = runtime.block_on(sandpiper::run(&engine, spec, exec))?;
            ensure!(outcome.exit.success(), "{name}: {}", String::from_utf8_lossy(&outcome.stderr.bytes));
            *ratio = seconds(&outcome.stdout.bytes)? / native;
            *sum += ratio.ln();
        }
        let [fuel, deadline] = ratios;
        println!("{name:<12} {:>10.2} {fuel:>10.2} x {deadline:>10.2} x", native * 1e3);
    }
    let [fuel, deadline] = sums.map(|sum: f64| (sum / 10.0).exp());
    println!("{:<12} {:>10} {fuel:>10.2} x {deadline:>10.2} x", "geo. mean", "");
    Ok(())
}

fn seconds(printed: &[u8]) -> Result<f64> {
    Ok(String::from_utf8_lossy(printed).trim().parse()?)
}
