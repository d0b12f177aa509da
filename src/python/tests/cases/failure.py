import sys, threading, mod_wsgi

OK = [('Content-Type', 'text/plain')]

def hello(environ, start_response):
    start_response('200 OK', OK)
    return [b'fine']

class Silent(Exception):
    def __str__(self): raise ValueError('no words')
    __repr__ = __str__

class Surrogate(Exception):
    def __str__(self): return 'lone \ud800 surrogate'

def failing(environ, start_response):
    kind = environ['PATH_INFO'][1:]
    if kind == 'value': raise ValueError('caf\xe9 \u20ac')
    if kind == 'silent': raise Silent()
    if kind == 'surrogate': raise Surrogate()
    if kind == 'nul': raise ValueError('a\0b')
    if kind == 'long': raise ValueError('x' * 100000)
    if kind == 'recursion':
        def down(): return down()
        down()
    if kind == 'exit': raise SystemExit(7)
    if kind == 'exit_call': sys.exit('bye')
    if kind == 'interrupt': raise KeyboardInterrupt()
    if kind == 'timeout': raise mod_wsgi.RequestTimeout('late')
    if kind == 'generator_exit': raise GeneratorExit()
    if kind == 'chained':
        try: raise KeyError('inner')
        except KeyError as error: raise ValueError('outer') from error
    if kind == 'memory': return [b'x' * (1 << 62)]
    if kind == 'group': exec('raise ExceptionGroup("several", [ValueError("one")])')

def timeout_late(environ, start_response):
    start_response('200 OK', OK)
    yield b'a'
    raise mod_wsgi.RequestTimeout()

def no_modules(environ, start_response):
    for name in ('traceback', 'io', 'mod_wsgi', 'mod_rsgi', 'apache', 'logging', 'warnings', 'os', 'time', 'builtins', 'sys'):
        sys.modules.pop(name, None)
    for name in list(sys.modules):
        if name.startswith('_mod_wsgi_'):
            del sys.modules[name]
    raise ValueError('without modules')

def no_modules_dict(environ, start_response):
    start_response('200 OK', OK)
    sys.modules.clear()
    return [b'cleared']

def no_stderr(environ, start_response):
    how = environ['PATH_INFO'][1:]
    if how == 'del':
        if hasattr(sys, 'stderr'): del sys.stderr
    elif how == 'none': sys.stderr = None
    elif how == 'text':
        class Stderr:
            def write(self, text): raise ValueError('no')
        sys.stderr = Stderr()
    elif how == 'detach':
        environ['wsgi.errors'].detach()
    elif how == 'close':
        environ['wsgi.errors'].close()
    elif how == 'hook': sys.excepthook = None
    raise ValueError('after ' + how)

kept = {}
def keep(environ, start_response):
    kept.update(environ=environ, start=start_response, input=environ['wsgi.input'], errors=environ['wsgi.errors'],
                write=start_response('200 OK', OK))
    return [b'kept']

def attempt():
    def tried(call):
        try:
            call()
            return 'worked'
        except Exception as error:
            return type(error).__name__
    return [tried(lambda: kept['start']('200 OK', [])), tried(lambda: kept['write'](b'x')),
            tried(lambda: kept['input'].read()), tried(lambda: kept['input'].readline()),
            tried(lambda: kept['input'].readlines()), tried(lambda: next(kept['input'])),
            tried(lambda: kept['errors'].write('x\n')), tried(lambda: kept['environ']['PATH_INFO'])]

def use_kept(environ, start_response):
    start_response('200 OK', OK)
    return [' '.join(attempt()).encode()]

def use_kept_in_thread(environ, start_response):
    start_response('200 OK', OK)
    result = []
    thread = threading.Thread(target=lambda: result.extend(attempt()))
    thread.start()
    thread.join()
    return [' '.join(result).encode()]

def drop_kept(environ, start_response):
    start_response('200 OK', OK)
    thread = threading.Thread(target=kept.clear)
    thread.start()
    thread.join()
    return [b'dropped']

def reader_thread(environ, start_response):
    start_response('200 OK', OK)
    result = []
    thread = threading.Thread(target=lambda: result.append(environ['wsgi.input'].read()))
    thread.start()
    thread.join()
    return result

class Weird:
    def __getattribute__(self, name):
        if name == 'close': raise KeyError('no close for you')
        return object.__getattribute__(self, name)
    def __iter__(self): return iter([b'weird'])

def weird_close(environ, start_response):
    start_response('200 OK', OK)
    return Weird()

class LyingClass:
    __class__ = mod_wsgi.FileWrapper
    def __iter__(self): return iter([b'lying'])

def lying(environ, start_response):
    start_response('200 OK', OK)
    return LyingClass()

not_callable = 3
