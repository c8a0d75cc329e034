//! The shop: a tonic server without a transport, for flaky-tls to serve.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;

use flaky_tls::RequestBody;
use http::{Request, Response};
use parking_lot::Mutex;
use tonic::Status;
use tonic::body::Body;
use tonic::server::Grpc;
use tonic_prost::ProstCodec;
use tower::service_fn;

use crate::messages::{FIND, LOOK, Order, PLACE, Placed, Plan, Servers};

/// Its books. A clone is the same shop.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shop(Arc<Mutex<Books>>);

#[derive(Debug, Default)]
struct Books {
    looks: u32,
    /// How often each was placed: once for each request that came.
    orders: BTreeMap<String, u32>,
}

impl Shop {
    /// How many orders there are, by their references.
    pub(crate) fn orders(&self) -> BTreeMap<String, u32> {
        self.0.lock().orders.clone()
    }

    pub(crate) async fn serve(self, request: Request<RequestBody>) -> Result<Response<Body>, Infallible> {
        let path = request.uri().path();
        Ok(if path == LOOK.path() {
            // The same on the wire as a unary answer; but that an error after the head goes into the trailers.
            let stream = service_fn(async |plan: tonic::Request<Plan>| {
                Ok(tonic::Response::new(tokio_stream::once(self.look(plan.get_ref()))))
            });
            Grpc::new(ProstCodec::<Servers, Plan>::default()).server_streaming(stream, request).await
        } else if path == PLACE.path() {
            unary(request, |order| self.place(order)).await
        } else if path == FIND.path() {
            unary(request, |order| self.find(&order)).await
        } else {
            Status::unimplemented("no such method").into_http()
        })
    }

    /// Every seventh look meets an outage, every eleventh a plan that is gone.
    fn look(&self, plan: &Plan) -> Result<Servers, Status> {
        let mut books = self.0.lock();
        books.looks += 1;
        match books.looks {
            look if look % 7 == 0 => Err(Status::unavailable("the stock is being counted")),
            look if look % 11 == 0 => Err(Status::not_found(format!("no plan {}", plan.code))),
            look => Ok(Servers { free: look }),
        }
    }

    fn place(&self, order: Order) -> Result<Placed, Status> {
        let mut books = self.0.lock();
        let count = books.orders.entry(order.reference).or_default();
        *count += 1;
        Ok(Placed { count: *count })
    }

    fn find(&self, order: &Order) -> Result<Placed, Status> {
        match self.0.lock().orders.get(&order.reference) {
            Some(count) => Ok(Placed { count: *count }),
            None => Err(Status::not_found("no such order")),
        }
    }
}

async fn unary(
    request: Request<RequestBody>,
    answer: impl Fn(Order) -> Result<Placed, Status>,
) -> Response<Body> {
    let service = service_fn(|order: tonic::Request<Order>| {
        let answer = answer(order.into_inner()).map(tonic::Response::new);
        async { answer }
    });
    Grpc::new(ProstCodec::<Placed, Order>::default()).unary(service, request).await
}
