//! Who calls, by address.

use std::net::{IpAddr, Ipv6Addr};

use http::Request;

use super::proxies::Proxies;

/// A client, as far as its address tells: an IPv4 address, or an IPv6 network of 64 bits, which is what one subscriber
/// has at least (RFC 6177) and can choose any address of. An IPv4 address mapped to IPv6 is the IPv4 address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Client(IpAddr);

impl Client {
    /// The client of an address.
    ///
    /// ```
    /// use rate_limit::server::Client;
    ///
    /// # fn main() -> Result<(), std::net::AddrParseError> {
    /// assert_eq!(Client::of("2001:db8::1".parse()?), Client::of("2001:db8::ffff".parse()?));
    /// assert_ne!(Client::of("2001:db8::1".parse()?), Client::of("2001:db8:0:1::1".parse()?));
    /// assert_eq!(Client::of("::ffff:192.0.2.1".parse()?), Client::of("192.0.2.1".parse()?));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V6(address) => {
                let network = address.to_bits() >> 64 << 64;
                Self(Ipv6Addr::from_bits(network).into())
            }
            address => Self(address),
        }
    }
}

/// Keys requests by the peer's address, which `address` reads from a request extension: axum's `ConnectInfo`, say. All
/// requests without that extension are one key.
///
/// Behind a proxy all clients have the proxy's address: see [`client`].
pub fn peer<B, T, F>(address: F) -> impl Fn(&Request<B>) -> Option<Client> + Clone
where
    T: Send + Sync + 'static,
    F: Fn(&T) -> IpAddr + Clone,
{
    move |request| request.extensions().get().map(&address).map(Client::of)
}

/// Keys requests by the client's address: the peer's, as with [`peer`], or if that is one of our own `proxies`, what
/// these say.
pub fn client<B, T, F>(proxies: Proxies, address: F) -> impl Fn(&Request<B>) -> Option<Client> + Clone
where
    T: Send + Sync + 'static,
    F: Fn(&T) -> IpAddr + Clone,
{
    move |request| {
        let peer = request.extensions().get().map(&address)?;
        Some(Client::of(proxies.client(peer, request.headers())))
    }
}
