//! What would be generated of
//!
//! ```proto
//! package shop;
//! service Stock { rpc Look(Plan) returns (Servers); }
//! service Orders { rpc Place(Order) returns (Placed); rpc Find(Order) returns (Placed); }
//! ```
//!
//! written by hand, so that nobody needs protoc to build this.

use http::uri::PathAndQuery;

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Plan {
    #[prost(string, tag = "1")]
    pub(crate) code: String,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(crate) struct Servers {
    #[prost(uint32, tag = "1")]
    pub(crate) free: u32,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Order {
    /// The caller's own name for it: by this it can be found again.
    #[prost(string, tag = "1")]
    pub(crate) reference: String,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(crate) struct Placed {
    /// How many orders there are with this reference.
    #[prost(uint32, tag = "1")]
    pub(crate) count: u32,
}

pub(crate) const LOOK: PathAndQuery = PathAndQuery::from_static("/shop.Stock/Look");
pub(crate) const PLACE: PathAndQuery = PathAndQuery::from_static("/shop.Orders/Place");
pub(crate) const FIND: PathAndQuery = PathAndQuery::from_static("/shop.Orders/Find");
