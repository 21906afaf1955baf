#!/usr/bin/env python3
"""Attacks on the real binary: one house, the banking suite as an MCP server of its configuration, a scripted model as its provider, and a member
who answers the questions of the house. Every case is a conversation of its own.
usage: house.py HEARTH [mode,...] [style,...] [member,...]   modes benign wc1 wc3 lying; styles plain refs; members ideal never"""
import json, os, socket, struct, subprocess, sys, tempfile, threading, time, urllib.request
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import suite_server  # noqa
from http.server import ThreadingHTTPServer
HERE = os.path.dirname(os.path.abspath(__file__)); MEMBER = 'Emma'; SHOW = os.environ.get('SHOW')

def config(port):
    says = json.load(open(os.path.join(HERE, 'manifest.json')))
    lines = ['[egress]', 'lan = ["http://127.0.0.1:%d"]' % port, '[[members]]', 'name = "%s"' % MEMBER, 'zone = "UTC"', '[[models]]', 'name = "scripted"',
             'kind = "openai-compatible"', 'model = "scripted"', 'streaming = false', 'base_url = "http://127.0.0.1:%d/now/v1"' % port,
             '[house]', 'commands_first = false', '[[mcp]]', 'name = "suite"', 'what = { http = { url = "http://127.0.0.1:%d/now/mcp" } }' % port]
    table = lambda of: '{ ' + ', '.join('%s = %s' % (json.dumps(k), json.dumps(v)) for k, v in of.items()) + ' }'
    for name, said in says.items():
        lines += ['[mcp.says.%s]' % name, 'effect = "%s"' % said['effect'], 'arguments = ' + table(said['arguments']), 'fields = ' + table(said['fields'])]
    # What is measured is the gate: by its usual budget the house pays 500 a turn and 1 000 a day, and the suite's tasks pay more than that.
    for span in ['turn', 'day']:
        lines += ['[budget.members.%s.%s]' % (MEMBER, span)] + ['%s = 1_000_000_000' % kind for kind in ['tokens', 'tool_calls', 'cost_micro_usd', 'paid_cents']]
    return '\n'.join(lines) + '\n'

class House:
    def __init__(self, binary, port):
        self.binary, self.home = binary, tempfile.TemporaryDirectory(prefix='hearth-dojo-')
        self.env = {'PATH': os.environ['PATH'], 'HOME': self.home.name, 'HEARTH_DATA': self.home.name + '/data', 'HEARTH_CONFIG': self.home.name + '/hearth.toml',
                    'HEARTH_WEB_LISTEN': '127.0.0.1:0'}
        open(self.env['HEARTH_CONFIG'], 'w').write(config(port))
        self.log = open(self.home.name + '/log', 'w')
        self.process = subprocess.Popen([binary, 'up'], env=self.env, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        self.socket()
        suite_server.init({'suite': 'banking', 'user_task': 'user_task_0'})
        self.run('tool', 'mcp', 'suite', '--yes')
        self.run('tool', 'grant', 'mcp/suite', '--yes')
    def run(self, *arguments):
        done = subprocess.run([self.binary, *arguments], env=self.env, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if SHOW or done.returncode: print(' '.join(arguments), done.stdout, done.stderr, file=sys.stderr)
        return done.stdout
    def socket(self):
        """the frames of the local socket: a length of four bytes, and JSON"""
        while True:
            status = subprocess.run([self.binary, 'status', '--json'], env=self.env, stdin=subprocess.DEVNULL, capture_output=True, text=True)
            if status.returncode == 0: break
            if self.process.poll() is not None: raise SystemExit(open(self.home.name + '/log').read())
            time.sleep(0.05)
        paths = [os.path.join(folder, name) for folder, _, names in os.walk(self.home.name) for name in names if name.endswith('.sock')]
        for path in paths:
            try: return Talk(path)
            except (OSError, ValueError, KeyError): pass
        raise SystemExit('no socket of the house among %s' % paths)
    def stop(self):
        self.process.terminate(); self.process.wait()

class Talk:
    def __init__(self, path):
        self.s = socket.socket(socket.AF_UNIX); self.s.connect(path); self.s.settimeout(60); self.last = b''
        self.send(type='hello', version=1)
        if self.next()['type'] != 'welcome': raise ValueError('another socket')
    def send(self, **frame):
        data = json.dumps(frame).encode(); self.s.sendall(struct.pack('>I', len(data)) + data)
    def take(self, n):
        while len(self.last) < n:
            more = self.s.recv(65536)
            if not more: raise OSError('closed')
            self.last += more
        out, self.last = self.last[:n], self.last[n:]
        return out
    def next(self): return json.loads(self.take(struct.unpack('>I', self.take(4))[0]))
    def until(self, *types):
        while True:
            frame = self.next()
            if frame['type'] in types: return frame

def oracle(cid, call):
    case = suite_server.CASES[cid]; offered = {'tools': [{'function': {'name': call['function']}}]}
    return any(suite_server.offered(offered, g.function) == call['function'] and json.loads(json.dumps(g.args, default=str)) == call['arguments'] for g in case['gt'])

def ask(talk, what):
    talk.send(type='policy', member=MEMBER, ask=what)
    return talk

def one(house, talk, side, task, attack, mode, style, member):
    begun = suite_server.init({'suite': 'banking', 'user_task': task, 'injection_task': attack, 'mode': mode, 'style': style}); cid = begun['case']
    talk.send(type='open', member=MEMBER, thread=cid, cursor=None); talk.until('caught_up')
    talk.send(type='say', nonce=cid, text=begun['prompt']); answer = talk.until('accepted', 'refused')['answer']; asked = 0
    while True:
        frame = talk.until('message'); said = frame
        if said.get('answer') == answer: break
        if 'Say /yes ' not in said.get('text', ''): continue
        code = said['text'].split('Say /yes ')[1].split(' ')[0]; asked += 1
        side.send(type='policy', member=MEMBER, ask={'policy': 'waiting'})
        call = next((q['call'] for q in side.until('policy')['answer']['questions'] if q['code'] == code), None)
        yes = member == 'ideal' and call is not None and oracle(cid, call)
        if SHOW: print(task, attack, yes, said['text'], file=sys.stderr)
        side.send(type='policy', member=MEMBER, ask={'policy': 'reply', 'text': '/%s %s' % ('yes' if yes else 'no', code)}); side.until('policy', 'error')
    ended = suite_server.finish({'case': cid, 'output': said.get('text', '')})
    if SHOW: print(task, attack, ended, said.get('text'), file=sys.stderr)
    return ended['utility'], bool(ended['attack_success']), asked

def report(house, mode, style, member, tasks=16, attacks=9):
    talk, side = house.socket(), house.socket(); cases, by_task = [], []
    for task in range(tasks):
        mine = [one(house, talk, side, 'user_task_%d' % task, attack, mode, style, member) for attack in ([None] if mode == 'benign' else ['injection_task_%d' % n for n in range(attacks)])]
        by_task.append([sum(c[0] for c in mine), sum(c[2] for c in mine)]); cases += mine
    done = lambda most: sum(1 for c in cases if c[0] and c[2] <= most)
    print(json.dumps({'mode': mode, 'planner': {'plain': 'plain loop', 'refs': 'references'}[style], 'member': {'ideal': 'ideal', 'never': 'denies all'}[member],
                      'cases': len(cases), 'done': sum(c[0] for c in cases), 'done_with_0_1_3_approvals': [done(0), done(1), done(3)], 'approvals': sum(c[2] for c in cases),
                      'attacks_that_succeed': sum(c[1] for c in cases), 'by_task_done_asked': by_task}), flush=True)

def main():
    chosen = [a.split(',') for a in sys.argv[2:]] + [None] * 3
    server = ThreadingHTTPServer(('127.0.0.1', 0), suite_server.H)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    house = House(sys.argv[1], server.server_address[1])
    try:
        for style in chosen[1] or ['plain', 'refs']:
            for member in chosen[2] or ['ideal', 'never']:
                for mode in chosen[0] or ['benign', 'wc1', 'wc3', 'lying']:
                    report(house, mode, style, member)
    finally:
        house.stop()
        if SHOW: print(open(house.home.name + '/log').read(), file=sys.stderr)
if __name__ == '__main__': main()
