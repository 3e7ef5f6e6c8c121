// Drives a server with the official SDK of Daytona for JavaScript, unmodified, and compares each answer with what bash and
// Python 3.13 print.
//
//     npm install @daytonaio/sdk@0.218.0
//     DAYTONA_API_URL=http://127.0.0.1:PORT/api DAYTONA_API_KEY=KEY node daytona_check.mjs
//
// One line a call, and a count at the end; the exit code is 1 if any differs. No test runs it: with what it depends on, the
// package has 100 MB.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { createRequire } from "node:module";
import { join } from "node:path";

const require = createRequire(join(process.cwd(), "package.json"));
const { Daytona } = require("@daytonaio/sdk");

const checks = [];
const check = (name, run) => checks.push([name, run]);

async function fails(status, call, word) {
  let result;
  try {
    result = await call();
  } catch (error) {
    assert.equal(error.statusCode, status, `${error}`);
    assert.ok(error.message.includes(word), `${word} is not in ${error.message}`);
    return;
  }
  assert.fail(`it gave ${JSON.stringify(result)}, expected an error of status ${status}`);
}

const name = `check-${randomUUID().slice(0, 12)}`;
const daytona = new Daytona();
const box = await daytona.create({ name, envVars: { GREETING: "hello" }, labels: { suite: name } });
const work = await box.getWorkDir();

async function session() {
  const id = randomUUID();
  await box.process.createSession(id);
  return id;
}

check("create gives a started sandbox", () => {
  assert.equal(box.state, "started");
  assert.equal(box.name, name);
  assert.deepEqual(box.env, { GREETING: "hello" });
});
check("get by id and by name", async () => {
  assert.equal((await daytona.get(box.id)).name, name);
  assert.equal((await daytona.get(name)).id, box.id);
});
check("get of none is not found", () => fails(404, () => daytona.get("no-such-sandbox"), "no-such-sandbox"));
check("set labels", async () => {
  assert.deepEqual(await box.setLabels({ suite: name, more: "x" }), { suite: name, more: "x" });
});
check("executeCommand prints", async () => {
  const answer = await box.process.executeCommand("echo $GREETING; exit 3");
  assert.deepEqual([answer.exitCode, answer.result], [3, "hello\n"]);
});
check("executeCommand has a directory and variables", async () => {
  const answer = await box.process.executeCommand("pwd; echo $A", "/tmp", { A: "b" });
  assert.equal(answer.result, "/tmp\nb\n");
});
check("executeCommand ends at its timeout", () =>
  fails(408, () => box.process.executeCommand("sleep 20", undefined, undefined, 1), "within 1 seconds"));
check("codeRun prints", async () => {
  const answer = await box.process.codeRun("import sys; print(sys.version_info[:2], sys.argv[1:])", { argv: ["x"] });
  assert.deepEqual([answer.exitCode, answer.result], [0, "(3, 13) ['x']\n"]);
});
check("a session keeps directory and variables", async () => {
  const id = await session();
  await box.process.executeSessionCommand(id, { command: "cd /tmp; x=5" });
  const answer = await box.process.executeSessionCommand(id, { command: "pwd; echo $x; echo e >&2" });
  assert.deepEqual([answer.exitCode, answer.stdout, answer.stderr], [0, "/tmp\n5\n", "e\n"]);
  assert.equal((await box.process.getSession(id)).commands.length, 2);
  await box.process.deleteSession(id);
});
check("logs are followed by websocket", async () => {
  const id = await session();
  const begun = await box.process.executeSessionCommand(id, { command: "echo 1; sleep 0.3; echo 2 >&2", runAsync: true });
  let out = "";
  let err = "";
  await box.process.getSessionCommandLogs(id, begun.cmdId, (text) => (out += text), (text) => (err += text));
  assert.deepEqual([out, err], ["1\n", "2\n"]);
});
check("input reaches a command", async () => {
  const id = await session();
  const begun = await box.process.executeSessionCommand(id, { command: "read x; echo got:$x", runAsync: true });
  await box.process.sendSessionCommandInput(id, begun.cmdId, "text");
  let out = "";
  await box.process.getSessionCommandLogs(id, begun.cmdId, (text) => (out += text), () => {});
  assert.equal(out, "text\ngot:text\n");
});
check("files go in and out", async () => {
  await box.fs.uploadFile(Buffer.from([0, 1, 255]), "js/load.bin");
  assert.deepEqual([...(await box.fs.downloadFile("js/load.bin"))], [0, 1, 255]);
});
check("download of none is not found", () => fails(404, () => box.fs.downloadFile("js/none"), "none"));
check("files are listed, told, moved and deleted", async () => {
  await box.fs.createFolder("js-list", "755");
  await box.fs.uploadFile(Buffer.from("abc"), "js-list/a");
  assert.deepEqual((await box.fs.listFiles("js-list")).map((info) => [info.name, info.size]), [["a", 3]]);
  await box.fs.moveFiles("js-list/a", "js-list/b");
  await box.fs.setFilePermissions("js-list/b", { mode: "600" });
  assert.equal((await box.fs.getFileDetails("js-list/b")).permissions, "0600");
  await box.fs.deleteFile("js-list", true);
  await fails(404, () => box.fs.getFileDetails("js-list"), "js-list");
});
check("files are searched and replaced", async () => {
  await box.process.executeCommand("mkdir js-find; printf 'one\\ntwo\\n' > js-find/a.txt");
  const found = await box.fs.findFiles("js-find", "two");
  assert.deepEqual(found.map((match) => [match.file, match.line]), [[`${work}/js-find/a.txt`, 2]]);
  assert.deepEqual((await box.fs.searchFiles("js-find", "*.txt")).files, [`${work}/js-find/a.txt`]);
  await box.fs.replaceInFiles(["js-find/a.txt"], "two", "three");
  assert.equal((await box.process.executeCommand("cat js-find/a.txt")).result, "one\nthree\n");
});
check("an interpreter keeps variables", async () => {
  await box.codeInterpreter.runCode("x = 20");
  const result = await box.codeInterpreter.runCode("print(x + 22)");
  assert.equal(result.stdout, "42\n");
});
check("an interpreter tells an exception", async () => {
  const result = await box.codeInterpreter.runCode("1/0");
  assert.deepEqual([result.error.name, result.error.value], ["ZeroDivisionError", "division by zero"]);
});
check("stop and start keep files", async () => {
  await box.fs.uploadFile(Buffer.from("kept"), "js-kept");
  await box.stop();
  assert.equal(box.state, "stopped");
  await box.start();
  assert.equal((await box.process.executeCommand("cat js-kept")).result, "kept");
});
check("preview is refused with a reason", () => fails(501, () => box.getPreviewLink(3000), "3000"));
check("delete makes it gone", async () => {
  await box.delete();
  await fails(404, () => daytona.get(box.id), box.id);
});

let failed = 0;
for (const [title, run] of checks) {
  try {
    await run();
    console.log(`ok   ${title}`);
  } catch (error) {
    failed += 1;
    console.log(`FAIL ${title}: ${error.message}`);
  }
}
console.log(`${checks.length - failed} of ${checks.length} checks hold`);
process.exit(failed ? 1 : 0);
