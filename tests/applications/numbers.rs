//! Pages of numpy and pandas, computed by several threads at once.

use super::Place;
use crate::harness::{Request, needs};
use crate::kit::{system_python, venv};

const MATRICES: &str = r"
import json, numpy
def application(environ, start_response):
    seed = int(environ['QUERY_STRING'])
    made = numpy.random.default_rng(seed)
    matrix = made.integers(0, 9, (120, 120)).astype(float) + numpy.eye(120) * 500
    error = numpy.abs(matrix @ numpy.linalg.inv(matrix) - numpy.eye(120)).max()
    body = json.dumps([seed, bool(error < 1e-9), int(numpy.arange(seed + 1).sum())]).encode()
    start_response('200 OK', [('Content-Type', 'application/json'), ('Content-Length', str(len(body)))])
    return [body]
";

#[test]
fn numpy_computes_in_all_threads_of_the_main_interpreter() {
    let home = venv(&system_python(), "numpy", &["numpy"]);
    for place in Place::BOTH {
        let server = place.server(&home).serve(MATRICES).start();
        std::thread::scope(|scope| {
            for client in 0..4 {
                let server = &server;
                scope.spawn(move || {
                    let mut connection = server.connect();
                    for turn in 0..8_u64 {
                        let seed = client * 100 + turn;
                        let reply = connection.ask(&Request::get(&format!("/?{seed}"))).ok();
                        let sum = seed * (seed + 1) / 2;
                        assert_eq!(reply.text(), format!("[{seed}, true, {sum}]"));
                    }
                });
            }
        });
        server.finish();
    }
}

const TABLE: &str = r"
import io, pandas
def application(environ, start_response):
    frame = pandas.read_csv(environ['wsgi.input'])
    page = frame.groupby('city', as_index=False)['sales'].sum().to_html(index=False)
    start_response('200 OK', [('Content-Type', 'text/html; charset=utf-8')])
    return [page.encode()]
";

#[test]
fn pandas_reads_a_table_from_a_request() {
    needs!(super::is_long_run(), "RSGI_TEST_SOAK is not set");
    let home = venv(&system_python(), "pandas", &["pandas==3.1.1"]);
    let table: String = (0..50_000)
        .map(|row| format!("{},{row}\n", ["Köln", "Rome"][row % 2]))
        .collect();
    for place in Place::BOTH {
        let server = place.server(&home).serve(TABLE).start();
        let request = Request::new("POST", "/").body(format!("city,sales\n{table}"));
        let text = server.ask(&request).ok().text();
        assert!(text.contains("<td>Köln</td>"), "{text}");
        assert!(text.contains("<td>624975000</td>"), "{text}");
        server.finish();
    }
}
