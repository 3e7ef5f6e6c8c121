// The official SDK of E2B for JavaScript, against `sandpiper serve`; as e2b_check.py.

import { isDeepStrictEqual } from 'node:util'
import { randomUUID } from 'node:crypto'
import {
  AuthenticationError,
  CommandExitError,
  FileNotFoundError,
  InvalidArgumentError,
  NotFoundError,
  Sandbox,
  SandboxError,
  SandboxNotFoundError,
  TimeoutError,
} from 'e2b'

const RUN = randomUUID()
let passed = 0
const failed = []

function note(name, wrong) {
  if (wrong === undefined) {
    passed += 1
    console.log(`ok ${passed + failed.length} ${name}`)
  } else {
    failed.push(name)
    console.log(`FAIL ${passed + failed.length} ${name}: ${wrong}`)
  }
}

function same(name, actual, expected) {
  const wrong = `expected ${JSON.stringify(expected)}, got ${JSON.stringify(actual)}`
  note(name, isDeepStrictEqual(actual, expected) ? undefined : wrong)
}

async function raises(name, kind, words, call) {
  try {
    note(name, `expected ${kind.name}, got ${JSON.stringify(await call())}`)
  } catch (error) {
    const is = error instanceof kind && String(error.message).includes(words)
    note(name, is ? undefined : `expected ${kind.name} with ${words}, got ${error?.name}: ${error?.message}`)
  }
}

async function until(condition, seconds = 20) {
  const end = Date.now() + seconds * 1000
  while (Date.now() < end) {
    if (await condition()) return true
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  return false
}

async function commands(sandbox) {
  const run = (command, options) => sandbox.commands.run(command, options)
  let result = await run('echo hi; echo err >&2')
  same('run: streams are apart', [result.stdout, result.stderr, result.exitCode], ['hi\n', 'err\n', 0])
  same('run: begins at home', (await run('pwd')).stdout, '/home/user\n')
  same('run: variables of the sandbox', (await run('echo $GREETING')).stdout, 'hello world\n')
  same('run: variables of the command', (await run('echo $A', { envs: { A: 'x=y' } })).stdout, 'x=y\n')
  same('run: a directory', (await run('pwd', { cwd: '/tmp' })).stdout, '/tmp\n')
  same('run: pipes', (await run("printf 'b\\na\\nb\\n' | sort -u | tr '\\n' ,")).stdout, 'a,b,')
  same('run: text beyond ASCII', (await run("echo 'ä€😀'")).stdout, 'ä€😀\n')
  same('run: python', (await run("python3 -c 'print(sum(range(101)))'")).stdout, '5050\n')
  same('run: much output', (await run("head -c 1000000 /dev/zero | tr '\\0' x")).stdout.length, 1000000)
  try {
    await run('echo before; echo why >&2; exit 3')
    note('run: an exit code is an error', 'nothing was thrown')
  } catch (error) {
    const is = error instanceof CommandExitError
    same('run: an exit code is an error', [is, error.exitCode, error.stdout, error.stderr], [true, 3, 'before\n', 'why\n'])
  }
  await raises('run: a command that is not there', CommandExitError, '127', () => run('no-such-command'))
  let [out, err] = ['', '']
  await run('echo one; echo two >&2', { onStdout: (text) => void (out += text), onStderr: (text) => void (err += text) })
  same('run: callbacks', [out, err], ['one\n', 'two\n'])
  const begun = Date.now()
  await raises('run: a timeout', TimeoutError, '', () => run('sleep 30', { timeoutMs: 1000 }))
  same('run: a timeout is kept', Date.now() - begun < 10000, true)
  same('run: a command ends with its timeout', await until(async () => (await sandbox.commands.list()).length === 0), true)
  await raises('run: as nobody known', AuthenticationError, 'invalid username', () => run('true', { user: 'nobody-known' }))

  const script = 'read line; echo got $line'
  let handle = await run(script, { background: true, stdin: true })
  const listed = await sandbox.commands.list()
  same('background: listed', listed.map((process) => process.pid), [handle.pid])
  same('background: shown', [listed[0].cmd, listed[0].args], ['/bin/bash', ['-l', '-c', script]])
  await sandbox.commands.sendStdin(handle.pid, 'text\n')
  same('background: input', (await handle.wait()).stdout, 'got text\n')
  handle = await run('cat; echo end', { background: true, stdin: true })
  await handle.sendStdin('a\n')
  await handle.closeStdin()
  same('background: input is closed', (await handle.wait()).stdout, 'a\nend\n')
  handle = await run(script, { background: true, stdin: true })
  await handle.disconnect()
  const again = await sandbox.commands.connect(handle.pid)
  same('connect: the same process', again.pid, handle.pid)
  await again.sendStdin('more\n')
  same('connect: goes on after a disconnect', (await again.wait()).stdout, 'got more\n')
  await raises('connect: to nothing', NotFoundError, 'not found', () => sandbox.commands.connect(999999))
  handle = await run('sleep 60', { background: true })
  same('kill: a process', await sandbox.commands.kill(handle.pid), true)
  same('kill: twice', await sandbox.commands.kill(handle.pid), false)
  await raises('kill: is told', CommandExitError, 'signal: killed', () => handle.wait())
  handle = await run('sleep 60', { background: true })
  same('kill: by the handle', await handle.kill(), true)
  await raises('pty: is not offered', SandboxError, 'terminal', () => sandbox.pty.create({ cols: 80, rows: 24, onData() {} }))
}

async function files(sandbox) {
  const { files } = sandbox
  const info = await files.write('notes/a.txt', 'hello\n')
  same('write: relative to home', [info.name, info.type, info.path], ['a.txt', 'file', '/home/user/notes/a.txt'])
  same('read: text', await files.read('/home/user/notes/a.txt'), 'hello\n')
  same('write: seen by commands', (await sandbox.commands.run('cat ~/notes/a.txt')).stdout, 'hello\n')
  const blob = Uint8Array.from({ length: 10240 }, (_, index) => index % 256)
  await files.write('blob', blob.buffer)
  same('read: bytes', Array.from(await files.read('blob', { format: 'bytes' })), Array.from(blob))
  same('read: a blob', (await files.read('blob', { format: 'blob' })).size, 10240)
  const stream = await files.read('blob', { format: 'stream' })
  let size = 0
  for await (const chunk of stream) size += chunk.length
  same('read: a stream', size, 10240)
  same('read: gzip', Array.from(await files.read('blob', { format: 'bytes', gzip: true })), Array.from(blob))
  await files.write('packed', 'packed text', { gzip: true })
  same('write: gzip', await files.read('packed'), 'packed text')
  await files.write('plain', 'plain text', { useOctetStream: true })
  same('write: octets', await files.read('plain'), 'plain text')
  const written = await files.write([{ path: 'many/1', data: 'one' }, { path: '/tmp/many-2', data: 'two' }])
  same('write: several', written.map((one) => one.path), ['/home/user/many/1', '/tmp/many-2'])
  same('write: their content', [await files.read('many/1'), await files.read('/tmp/many-2')], ['one', 'two'])
  await files.write('empty', '')
  same('read: nothing', await files.read('empty'), '')
  await raises('read: what is not there', FileNotFoundError, '', () => files.read('nothing'))
  await raises('read: a directory', InvalidArgumentError, '', () => files.read('many'))
  same('exists', [await files.exists('many/1'), await files.exists('many/3')], [true, false])
  await sandbox.commands.run('chmod 640 notes/a.txt; ln -s notes/a.txt link')
  const stat = await files.getInfo('notes/a.txt')
  same('getInfo: a file', [stat.name, stat.type, stat.size, stat.mode, stat.permissions], ['a.txt', 'file', 6, 0o640, '-rw-r-----'])
  same('getInfo: a directory', (await files.getInfo('notes')).type, 'dir')
  same('getInfo: a symlink', (await files.getInfo('link')).symlinkTarget, '/home/user/notes/a.txt')
  await raises('getInfo: what is not there', FileNotFoundError, '', () => files.getInfo('nothing'))
  same('makeDir: new', await files.makeDir('tree/x/y'), true)
  same('makeDir: there', await files.makeDir('tree/x'), false)
  await files.write('tree/b', '')
  same('list: one level', (await files.list('tree')).map((entry) => entry.name), ['b', 'x'])
  const found = (await files.list('tree', { depth: 2 })).map((entry) => entry.path)
  same('list: two levels', found, ['/home/user/tree/b', '/home/user/tree/x', '/home/user/tree/x/y'])
  same('rename', (await files.rename('tree/b', 'elsewhere/c')).path, '/home/user/elsewhere/c')
  await raises('rename: what is not there', FileNotFoundError, '', () => files.rename('nothing', 'x'))
  await files.remove('tree')
  same('remove: with all below', await files.exists('tree'), false)

  const seen = []
  await files.makeDir('watched/deep')
  const watch = await files.watchDir('watched', (event) => void seen.push(`${event.type} ${event.name}`), { recursive: true })
  await files.write('watched/deep/new', '1')
  same('watchDir: a new file', await until(() => seen.includes('create deep/new')), true)
  await files.remove('watched/deep/new')
  same('watchDir: a removal', await until(() => seen.includes('remove deep/new')), true)
  await watch.stop()
  await raises('watchDir: what is not there', NotFoundError, '', () => files.watchDir('nothing', () => {}))

  const address = await sandbox.downloadUrl('notes/a.txt', { useSignatureExpiration: 60000 })
  same('downloadUrl', await (await fetch(address)).text(), 'hello\n')
  same('downloadUrl: of another path', (await fetch(address.replace('a.txt', 'b.txt'))).status, 401)
  const form = new FormData()
  form.append('file', new Blob(['uploaded']), 'x')
  same('uploadUrl', (await fetch(await sandbox.uploadUrl('up'), { method: 'POST', body: form })).status, 200)
  same('uploadUrl: content', await files.read('up'), 'uploaded')
}

async function control(sandbox) {
  const info = await sandbox.getInfo()
  same('getInfo', [info.sandboxId, info.state, info.templateId], [sandbox.sandboxId, 'running', 'base'])
  same('getInfo: metadata', info.metadata, { run: RUN, 'a b': 'c&d=ä' })
  same('isRunning', await sandbox.isRunning(), true)
  await sandbox.setTimeout(900_000)
  const left = (await sandbox.getInfo()).endAt.getTime() - Date.now()
  same('setTimeout', left > 880_000 && left < 920_000, true)
  const twin = await Sandbox.connect(sandbox.sandboxId)
  await twin.files.write('from-another', 'hold')
  same('connect: the same files', await sandbox.files.read('from-another'), 'hold')
  await raises('connect: to nothing', SandboxNotFoundError, 'not found', () => Sandbox.connect('i0000000000000000000'))
  await raises('create: a template that is not there', SandboxError, 'not found', () => Sandbox.create('no-such-template'))
  await raises('create: a key that is not one', AuthenticationError, '', () => Sandbox.create('base', { apiKey: 'wrong' }))
  const second = await Sandbox.create('base', { metadata: { run: RUN } })
  const ids = []
  const pages = Sandbox.list({ query: { metadata: { run: RUN } }, limit: 1, order: 'asc' })
  while (pages.hasNext) ids.push(...(await pages.nextItems()).map((one) => one.sandboxId))
  same('list: in pages', ids, [sandbox.sandboxId, second.sandboxId])
  const named = await Sandbox.list({ query: { metadata: { 'a b': 'c&d=ä', run: RUN } } }).nextItems()
  same('list: by metadata', named.map((one) => one.sandboxId), [sandbox.sandboxId])
  same('pause', await second.pause(), true)
  same('pause: twice', await second.pause(), false)
  same('pause: not running', await second.isRunning(), false)
  const paused = await Sandbox.list({ query: { metadata: { run: RUN }, state: ['paused'] } }).nextItems()
  same('list: paused', paused.map((one) => one.sandboxId), [second.sandboxId])
  await second.connect()
  same('pause: goes on', await second.isRunning(), true)
  same('getHost', second.getHost(3000).startsWith('3000-'), true)
  same('kill', await second.kill(), true)
  same('kill: twice', await second.kill(), false)
  same('kill: is not running', await second.isRunning(), false)
  await raises('kill: no info', SandboxNotFoundError, 'not found', () => second.getInfo())
  const short = await Sandbox.create('base', { timeoutMs: 1000 })
  same('timeout: ends a sandbox', await until(async () => !(await short.isRunning())), true)
}

let sandbox
try {
  sandbox = await Sandbox.create('base', {
    timeoutMs: 600_000,
    metadata: { run: RUN, 'a b': 'c&d=ä' },
    envs: { GREETING: 'hello world' },
  })
  same('create', sandbox.sandboxId.length > 5, true)
  await commands(sandbox)
  await files(sandbox)
  await control(sandbox)
} catch (error) {
  failed.push('broke off')
  console.error(error)
} finally {
  await sandbox?.kill()
  console.log(`${passed} passed, ${failed.length} failed`)
}
process.exit(failed.length === 0 ? 0 : 1)
