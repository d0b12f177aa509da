import mod_wsgi, os

OK = [('Content-Type', 'text/plain')]

def hello(environ, start_response):
    start_response('200 OK', OK)
    return [b'Hello World!\n']

def blocks(environ, start_response):
    start_response('200 OK', OK)
    return [b'one,', b'', b'two']

def in_tuple(environ, start_response):
    start_response('200 OK', OK)
    return (b'one,', b'two')

def empty(environ, start_response):
    start_response('200 OK', OK)
    return []

def generator(environ, start_response):
    start_response('200 OK', OK)
    yield b'a'
    yield b''
    yield b'bb'
    yield b'ccc'

def late_start(environ, start_response):
    start_response('201 Created', [('X-A', '1'), ('X-A', '2'), ('X-L', 'caf\xe9'), ('Content-Length', '4')])
    yield b'late'

def writes(environ, start_response):
    write = start_response('200 OK', OK)
    write(b'one,')
    write(b'two,')
    return [b'three']

def empty_write_commits(environ, start_response):
    write = start_response('200 OK', OK)
    write(b'')
    try:
        start_response('500 No', OK)
    except RuntimeError as error:
        return [b'refused']
    return [b'let through']

def write_takes_bytes(environ, start_response):
    write = start_response('200 OK', OK)
    result = []
    for bad in ('text', None, 3, bytearray(b'x'), memoryview(b'x')):
        try:
            write(bad)
            result.append('taken')
        except TypeError:
            result.append('refused')
    return [','.join(result).encode()]

class Bytes(bytes):
    pass

def subclass(environ, start_response):
    start_response('200 OK', OK)
    return [Bytes(b'sub')]

def refusals(environ, start_response):
    good = '200 OK'
    class L(list):
        pass
    tries = [
        ('list subclass', good, L(), None),
        ('no reason', '200', [], None),
        ('status type', b'200 OK', [], TypeError),
        ('status form', '20 OK', [], ValueError),
        ('status glued', '200OK', [], ValueError),
        ('status text', 'OK', [], ValueError),
        ('status latin', '200 \u20ac', [], UnicodeEncodeError),
        ('status line', '200 O\r\nK', [], ValueError),
        ('status nul', '200 O\0K', [], ValueError),
        ('status 1xx', '103 Early Hints', [], ValueError),
        ('headers tuple', good, (), TypeError),
        ('headers none', good, None, TypeError),
        ('item list', good, [['A', 'b']], TypeError),
        ('item three', good, [('A', 'b', 'c')], ValueError),
        ('name type', good, [(b'A', 'b')], TypeError),
        ('name empty', good, [('', 'b')], ValueError),
        ('name space', good, [('A B', 'b')], ValueError),
        ('name nul', good, [('A\0', 'b')], ValueError),
        ('name latin', good, [('A\u20ac', 'b')], UnicodeEncodeError),
        ('name surrogate', good, [('A\ud800', 'b')], UnicodeEncodeError),
        ('value type', good, [('A', b'b')], TypeError),
        ('value line', good, [('A', 'b\nc')], ValueError),
        ('value return', good, [('A', 'b\rc')], ValueError),
        ('value nul', good, [('A', 'b\0c')], ValueError),
        ('value latin', good, [('A', '\u20ac')], UnicodeEncodeError),
        ('hop', good, [('Transfer-Encoding', 'chunked')], ValueError),
        ('hop case', good, [('conNection', 'close')], ValueError),
        ('length form', good, [('Content-Length', '5x')], ValueError),
        ('length minus', good, [('Content-Length', '-5')], ValueError),
        ('lengths differ', good, [('Content-Length', '5'), ('Content-Length', '6')], ValueError),
    ]
    start_response('299 Kept', OK)
    wrong = []
    for name, status, headers, expected in tries:
        try:
            start_response(status, headers)
            got = None
        except Exception as error:
            got = type(error)
        if got is not expected:
            wrong.append('%s: %r' % (name, got))
    for arguments, expected in [((), TypeError), (('200 OK',), TypeError), (('200 OK', [], None, 1), TypeError),
                                (('200 OK', [], 'no'), RuntimeError)]:
        try:
            start_response(*arguments)
            wrong.append('%r: taken' % (arguments,))
        except expected:
            pass
    try:
        start_response(status='200 OK', headers=[])
        wrong.append('keywords: taken')
    except TypeError:
        pass
    start_response('200 OK', [])
    return ['\n'.join(wrong).encode()]

def bad_keeps_first(environ, start_response):
    start_response('200 OK', [('X-First', 'yes')])
    try:
        start_response('404 Not Found', [('X-Second', 'a\nb')])
    except ValueError:
        pass
    return [b'first']

def twice(environ, start_response):
    start_response('404 Not Found', [('X', '1')])
    start_response('200 OK', [])
    return [b'twice']

def replaced(environ, start_response):
    import sys
    start_response('200 OK', OK)
    try:
        raise ValueError('x')
    except ValueError:
        start_response('503 Busy', [('X-Error', 'yes')], sys.exc_info())
    return [b'replaced']

def raised_again(environ, start_response):
    import sys
    start_response('200 OK', OK)
    yield b'begun'
    try:
        raise KeyError('after the head')
    except KeyError:
        start_response('500 Error', OK, sys.exc_info())
    yield b'never'

def no_start(environ, start_response):
    return [b'x']

def no_start_empty(environ, start_response):
    return []

def not_bytes(environ, start_response):
    start_response('200 OK', OK)
    return ['text']

def not_iterable(environ, start_response):
    start_response('200 OK', OK)
    return None

def status_of_path(environ, start_response):
    start_response(environ['PATH_INFO'][1:] + ' Reason', [('X-Kept', 'yes')])
    return [b'body']

def with_length(environ, start_response):
    start_response('200 OK', [('Content-Length', environ['PATH_INFO'][1:])])
    return [b'12345', b'67890']

def with_length_streamed(environ, start_response):
    start_response('200 OK', [('Content-Length', environ['PATH_INFO'][1:])])
    yield b'12345'
    yield b'67890'

def huge(environ, start_response):
    start_response('200 OK', OK)
    return [b'x' * 3_000_000] * 3

def many(environ, start_response):
    start_response('200 OK', OK)
    return (b'y' for _ in range(20000))

class Closing:
    count = 0
    def __init__(self, items, close_error=None):
        self.items, self.close_error = items, close_error
    def __iter__(self):
        for item in self.items:
            if isinstance(item, BaseException):
                raise item
            yield item
    def close(self):
        Closing.count += 1
        if self.close_error:
            raise self.close_error

def closing(environ, start_response):
    Closing.count = 0
    kind = environ['PATH_INFO'][1:]
    start_response('200 OK', OK)
    if kind == 'error': return Closing([ValueError('before any block')])
    if kind == 'late': return Closing([b'a', ValueError('after a block')])
    if kind == 'text': return Closing([b'a', 'text'])
    if kind == 'raises': return Closing([b'a'], ValueError('in close'))
    if kind == 'exit': return Closing([b'a'], SystemExit(3))
    return Closing([b'a', b'b', b'c'])

def closed(environ, start_response):
    start_response('200 OK', OK)
    return [str(Closing.count).encode()]

ended = []
def generator_exit(environ, start_response):
    start_response('200 OK', OK)
    try:
        for _ in range(5):
            yield b'x'
    finally:
        ended.append(1)

def generator_ended(environ, start_response):
    start_response('200 OK', OK)
    return [str(len(ended)).encode()]

def file(environ, start_response):
    kind = environ['PATH_INFO'][1:]
    path = os.path.join(os.path.dirname(__file__), 'served.txt')
    handle = open(path, 'rb')
    headers = []
    if kind == 'tell': handle.seek(4)
    if kind == 'declared': headers = [('Content-Length', '3')]
    if kind == 'beyond': headers = [('Content-Length', '100')]
    if kind == 'end': handle.seek(0, 2)
    start_response('200 OK', headers)
    if kind == 'subclass':
        class Mine(mod_wsgi.FileWrapper):
            pass
        return Mine(filelike=handle, blksize=4)
    return environ['wsgi.file_wrapper'](handle)

def file_like(environ, start_response):
    class Like:
        data = [b'one,', b'two', b'']
        closed = 0
        def read(self, size):
            assert size == 7, size
            return self.data.pop(0)
        def close(self):
            raise ValueError('swallowed')
    start_response('200 OK', OK)
    Like.data = [b'one,', b'two', b'']
    return environ['wsgi.file_wrapper'](Like(), blksize=7)

def file_after_write(environ, start_response):
    write = start_response('200 OK', OK)
    write(b'first,')
    path = os.path.join(os.path.dirname(__file__), 'served.txt')
    return environ['wsgi.file_wrapper'](open(path, 'rb'))

def wrapper(environ, start_response):
    start_response('200 OK', OK)
    F = mod_wsgi.FileWrapper
    class File:
        def read(self, size): return 'text'
    wrong = []
    def expect(kind, call):
        try:
            call()
            wrong.append('%s expected' % kind)
        except kind:
            pass
    expect(TypeError, lambda: F())
    expect(TypeError, lambda: F(1, 2, 3))
    expect(ValueError, lambda: F(File(), -1))
    expect(TypeError, lambda: F(File(), 'x'))
    expect(TypeError, lambda: next(F(File())))
    expect(AttributeError, lambda: setattr(F(File()), 'blksize', 4))
    expect(AttributeError, lambda: setattr(F(File()), 'filelike', 4))
    plain = F(File())
    if (plain.blksize, type(plain.filelike)) != (8192, File): wrong.append('attributes')
    if iter(plain) is not plain: wrong.append('iter')
    if plain.close() is not None: wrong.append('close')
    cycle = F(File()); cycle.filelike.back = cycle; del cycle
    import gc; gc.collect()
    return ['\n'.join(wrong).encode()]
