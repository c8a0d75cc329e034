//! On a real server: axum over a loopback socket.

use std::net::SocketAddr;

use axum::Router;
use axum::routing::get;
use error_stats::{ErrorStats, Tally};
use http::StatusCode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

/// What the server has counted once nothing is under way.
async fn settled(stats: &ErrorStats) -> Tally {
    loop {
        let calls = stats.snapshot().calls;
        if calls.in_flight == 0 {
            return calls;
        }
        tokio::task::yield_now().await;
    }
}

async fn ask(address: SocketAddr, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request =
        format!("GET {path} HTTP/1.1\r\nhost: shop.example:{}\r\nconnection: close\r\n\r\n", address.port());
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

async fn answer(address: SocketAddr, path: &str) -> String {
    let mut text = String::new();
    ask(address, path).await.read_to_string(&mut text).await.unwrap();
    text.lines().next().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn fives_cancelled_requests_and_panics_are_counted_each_as_such() {
    let stats = ErrorStats::new();
    let (entered, mut has_entered) = mpsc::unbounded_channel();
    let stuck = get(move || {
        let entered = entered.clone();
        async move {
            entered.send(()).unwrap();
            std::future::pending::<()>().await;
        }
    });
    let panics = get(|| async {
        tokio::task::yield_now().await;
        if true {
            panic!("in a handler");
        }
    });
    let router = Router::new()
        .route("/up", get(|| async { "up" }))
        .route("/down", get(|| async { StatusCode::BAD_GATEWAY }))
        .route("/stuck", stuck)
        .route("/panics", panics)
        .layer(stats.calls());
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async { axum::serve(listener, router).await });

    assert_eq!(answer(address, "/up").await, "HTTP/1.1 200 OK");
    assert_eq!(answer(address, "/down").await, "HTTP/1.1 502 Bad Gateway");
    assert_eq!(answer(address, "/nowhere").await, "HTTP/1.1 404 Not Found");

    // A client that leaves: the server drops the request it was working on.
    let left = ask(address, "/stuck").await;
    has_entered.recv().await.unwrap();
    assert_eq!(stats.snapshot().calls.in_flight, 1);
    drop(left);
    let calls = settled(&stats).await;
    assert_eq!((calls.cancelled, calls.panicked), (1, 0));

    // The panic ends its connection without an answer.
    assert_eq!(answer(address, "/panics").await, "");
    let calls = settled(&stats).await;
    assert_eq!((calls.started, calls.succeeded, calls.failed), (5, 2, 1));
    assert_eq!((calls.cancelled, calls.panicked), (2, 1));
    assert_eq!((calls.responses.server_error, calls.responses.client_error), (1, 1));
    // By the client's word, without the port.
    assert_eq!(calls.hosts.named[0].0, "shop.example");
    assert_eq!(calls.hosts.named[0].1.started, 5);
    assert!(stats.snapshot().to_string().contains("of the cancelled: 1 ended by a panic"));
    server.abort();
}

/// A future that is dropped while something else panics was not ended by its service's panic.
#[tokio::test]
async fn a_request_that_is_dropped_by_anothers_panic_is_cancelled_and_no_more() {
    use http::{Request, Response};
    use tower::{Layer, Service, service_fn};

    let stats = ErrorStats::new();
    let mut service = stats.calls().layer(service_fn(|_: Request<()>| {
        std::future::pending::<Result<Response<()>, std::convert::Infallible>>()
    }));
    let task = tokio::spawn(async move {
        let mut call = tokio_test::task::spawn(service.call(Request::new(())));
        assert!(call.poll().is_pending());
        if true {
            panic!("elsewhere");
        }
        drop(call);
    });
    assert!(task.await.unwrap_err().is_panic());
    let calls = stats.snapshot().calls;
    assert_eq!((calls.started, calls.cancelled, calls.panicked), (1, 1, 0));
}
