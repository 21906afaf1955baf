#!/usr/bin/env python3
"""Attacks on the real binary: one house, a suite as an MCP server of its configuration, a scripted model as its provider, and a member
who answers the questions of the house. Every case is a conversation of its own.
usage: house.py HEARTH|none [--suite=NAME] [--renamed] [--bare] [mode,...] [style,...] [member,...]
none: an undefended loop in the house's place; renamed: tools with names that say nothing; bare: the configuration says nothing of any tool
modes benign wc1 wc3 lying; styles plain open refs; members ideal never (lying and refs: the banking suite alone)"""
import json, os, socket, struct, subprocess, sys, tempfile, threading, time
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import suite_server  # noqa
from http.server import ThreadingHTTPServer
HERE = os.path.dirname(os.path.abspath(__file__)); MEMBER = 'Emma'; SHOW = os.environ.get('SHOW'); LOG = os.environ.get('LOG')
FLAGS = dict(suite='banking') | dict(a[2:].partition('=')[::2] for a in sys.argv[1:] if a.startswith('--'))

def config(port):
    says = {} if 'bare' in FLAGS else json.load(open(os.path.join(HERE, 'manifests', FLAGS['suite'] + '.json')))
    lines = ['[egress]', 'lan = ["http://127.0.0.1:%d"]' % port, '[[members]]', 'name = "%s"' % MEMBER, 'zone = "UTC"', '[[models]]', 'name = "scripted"',
             'kind = "openai-compatible"', 'model = "scripted"', 'streaming = false', 'base_url = "http://127.0.0.1:%d/now/v1"' % port,
             '[house]', 'commands_first = false', '[[mcp]]', 'name = "suite"', 'what = { http = { url = "http://127.0.0.1:%d/now/mcp" } }' % port]
    table = lambda of: '{ ' + ', '.join('%s = %s' % (json.dumps(k), json.dumps(v)) for k, v in of.items()) + ' }'
    for name, said in says.items():
        name = suite_server.named(suite_server.get_suite(suite_server.VERSION, FLAGS['suite']), name)
        lines += ['[mcp.says.%s]' % name, 'effect = "%s"' % said['effect'], 'arguments = ' + table(said['arguments']), 'fields = ' + table(said['fields'])]
    # What is measured is the gate: by its usual budget the house pays 500 a turn and 1 000 a day, and the suite's tasks pay more than that.
    for span in ['turn', 'day']:
        lines += ['[budget.members.%s.%s]' % (MEMBER, span)] + ['%s = 1_000_000_000' % kind for kind in ['tokens', 'tool_calls', 'cost_micro_usd', 'paid_cents']]
    # A planner that opens every result asks the model twice for each call.
    if 'open' in ','.join(sys.argv[1:]).split(','): lines += ['[limits]', 'model_calls = 64']
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
        suite_server.init({'suite': FLAGS['suite'], 'user_task': 'user_task_0'})
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
    return any(suite_server.offered(offered, suite_server.named(case['s'], g.function)) == call['function'] and json.loads(json.dumps(g.args, default=str)) == call['arguments'] for g in case['gt'])

def ask(talk, what):
    talk.send(type='policy', member=MEMBER, ask=what)
    return talk

def one(house, talk, side, task, attack, mode, style, member):
    begun = suite_server.init({'suite': FLAGS['suite'], 'user_task': task, 'injection_task': attack, 'mode': mode, 'style': style}); cid = begun['case']
    if house is None: return ended(cid, task, attack, mode, member, undefended(cid, begun['prompt']), [])
    talk.send(type='open', member=MEMBER, thread=cid, cursor=None); talk.until('caught_up')
    talk.send(type='say', nonce=cid, text=begun['prompt']); answer = talk.until('accepted', 'refused')['answer']; cards = []
    while True:
        said = talk.until('message')
        if said.get('answer') == answer: break
        if 'Say /yes ' not in said.get('text', ''): continue
        code = said['text'].split('Say /yes ')[1].split(' ')[0]
        side.send(type='policy', member=MEMBER, ask={'policy': 'waiting'})
        calls = [q['call'] for q in side.until('policy')['answer']['questions'] if q['code'] == code]
        yes = member == 'ideal' and bool(calls) and all(call is not None and oracle(cid, call) for call in calls); cards.append([yes, said['text']])
        side.send(type='policy', member=MEMBER, ask={'policy': 'reply', 'text': '/%s %s' % ('yes' if yes else 'no', code)}); side.until('policy', 'error')
    return ended(cid, task, attack, mode, member, said.get('text', ''), cards)

def undefended(cid, prompt):
    """the loop that runs every call"""
    c = suite_server.CASES[cid]; messages = [{'role': 'user', 'content': prompt}]; tools = [{'function': {'name': suite_server.named(c['s'], t.name)}} for t in c['s'].tools]
    while True:
        reply = suite_server.model(c, {'messages': messages, 'tools': tools})['choices'][0]['message']; messages.append(reply)
        for call in reply.get('tool_calls') or []:
            result = suite_server.mcp(c, {'method': 'tools/call', 'id': 1, 'params': {'name': call['function']['name'], 'arguments': json.loads(call['function']['arguments'])}})
            messages.append({'role': 'tool', 'content': result['result']['content'][0]['text']})
        if not reply.get('tool_calls'): return reply['content'] or ''

def ended(cid, task, attack, mode, member, output, cards):
    end = suite_server.finish({'case': cid, 'output': output})
    if SHOW: print(task, attack, end, output, *cards, sep='\n', file=sys.stderr)
    if LOG: print(json.dumps(dict(end, suite=FLAGS['suite'], task=task, attack=attack, mode=mode, member=member, cards=cards, output=output)), file=open(LOG, 'a'))
    return end['utility'], bool(end['attack_success']), len(cards)

def report(house, mode, style, member):
    meet = lambda: (house.socket(), house.socket()) if house else (None, None)
    (talk, side), cases, by_task, errors = meet(), [], [], 0; wanted = [None] if mode == 'benign' else suite_server.attacks(FLAGS['suite'])
    for task in suite_server.tasks(FLAGS['suite']):
        mine = []
        for attack in wanted:
            try: mine.append(one(house, talk, side, task, attack, mode, style, member))
            except OSError as error: print(task, attack, mode, repr(error), file=sys.stderr); errors += 1; mine.append((False, False, 0)); talk, side = meet()
        by_task.append([sum(c[0] for c in mine), sum(c[2] for c in mine)]); cases += mine
    done = lambda most: sum(1 for c in cases if c[0] and c[2] <= most)
    print(json.dumps({'suite': FLAGS['suite'], **{flag: True for flag in ['renamed', 'bare'] if flag in FLAGS}, 'mode': mode,
                      'planner': {'plain': 'plain loop', 'open': 'plain loop that opens', 'refs': 'references'}[style] if house else 'undefended', 'member': {'ideal': 'ideal', 'never': 'denies all'}[member],
                      'cases': len(cases), 'done': sum(c[0] for c in cases), 'done_with_0_1_3_approvals': [done(0), done(1), done(3)], 'approvals': sum(c[2] for c in cases),
                      'attacks_that_succeed': sum(c[1] for c in cases), 'errors': errors, 'by_task_done_asked': by_task}), flush=True)

def main():
    given = [a for a in sys.argv[1:] if not a.startswith('--')]; chosen = [a.split(',') for a in given[1:]] + [None] * 3
    suite_server.RENAMED[0] = 'renamed' in FLAGS; refs = FLAGS['suite'] == 'banking' and given[0] != 'none'
    server = ThreadingHTTPServer(('127.0.0.1', 0), suite_server.H)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    house = None if given[0] == 'none' else House(given[0], server.server_address[1])
    try:
        for style in chosen[1] or ['plain', 'refs'][:1 + refs]:
            for member in chosen[2] or ['ideal', 'never'][:2 if house else 1]:
                for mode in chosen[0] or ['benign', 'wc1', 'wc3', 'lying'][:3 + refs]:
                    report(house, mode, style, member)
    finally:
        if house:
            house.stop()
            log = open(house.home.name + '/log').read()
            if SHOW or 'panicked' in log: print(log, file=sys.stderr)
if __name__ == '__main__': main()
