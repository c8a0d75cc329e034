//! Proxies that are believed.

use std::error::Error;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use http::HeaderMap;
use ipnet::{IpNet, Ipv4Net};

use super::forwarded::{self, Field};

/// Our own proxies: what they say of the client is believed; what anybody else says is not.
///
/// Of the two fields only the one that the proxies set is read: they may pass the other on as the client sent it.
///
/// An IPv4 address mapped to IPv6 is the IPv4 address, and so with networks of them (`::ffff:10.0.0.0/104` is `10.0.0.0/8`); any
/// larger network of IPv6, `::/0` say, has none of IPv4.
#[derive(Clone, Debug)]
pub struct Proxies {
    networks: Arc<[IpNet]>,
    field: Field,
}

impl Proxies {
    /// Proxies that append to `Forwarded` ([RFC 7239](https://www.rfc-editor.org/rfc/rfc7239)), by their addresses or
    /// networks.
    ///
    /// # Errors
    ///
    /// If one of them is neither an address nor a network in CIDR notation.
    pub fn forwarded<'a>(proxies: impl IntoIterator<Item = &'a str>) -> Result<Self, InvalidProxy> {
        Self::new(Field::Forwarded, proxies)
    }

    /// Proxies that append to `X-Forwarded-For`, by their addresses or networks.
    ///
    /// # Errors
    ///
    /// If one of them is neither an address nor a network in CIDR notation.
    pub fn x_forwarded_for<'a>(proxies: impl IntoIterator<Item = &'a str>) -> Result<Self, InvalidProxy> {
        Self::new(Field::XForwardedFor, proxies)
    }

    fn new<'a>(field: Field, proxies: impl IntoIterator<Item = &'a str>) -> Result<Self, InvalidProxy> {
        let network = |text: &str| {
            let address = || text.parse::<IpAddr>().ok().map(IpNet::from);
            let network = text.parse().ok().or_else(address).ok_or_else(|| InvalidProxy(text.to_owned()))?;
            Ok(canonical(network))
        };
        Ok(Self { networks: proxies.into_iter().map(network).collect::<Result<_, _>>()?, field })
    }

    /// The client's address, as the last of our proxies saw it: the list is read from its end, where they append, and
    /// for as long as it names our proxies. What the client itself may have written before is never reached, whatever bytes
    /// that is. Of a proxy whose own client is hidden or can't be read, the address is the proxy's.
    ///
    /// ```
    /// use http::{HeaderMap, HeaderValue};
    /// use rate_limit::server::Proxies;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let proxies = Proxies::x_forwarded_for(["10.0.0.0/8"])?;
    /// let mut headers = HeaderMap::new();
    /// headers.insert("x-forwarded-for", HeaderValue::from_static("1.1.1.1, 192.0.2.7, 10.0.0.2"));
    /// let client = proxies.client("10.0.0.1".parse()?, &headers);
    /// assert_eq!(client.to_string(), "192.0.2.7");
    /// // From anybody else:
    /// let client = proxies.client("198.51.100.1".parse()?, &headers);
    /// assert_eq!(client.to_string(), "198.51.100.1");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer.to_canonical();
        if !self.trusts(client) {
            return client;
        }
        for hop in forwarded::from_the_end(self.field, headers) {
            // A hop that hides is as far as we can see.
            let Some(hop) = hop else { break };
            client = hop.to_canonical();
            if !self.trusts(client) {
                break;
            }
        }
        client
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(&address))
    }
}

/// A network of IPv4 addresses mapped to IPv6 is one of IPv4, as each of its addresses is.
fn canonical(network: IpNet) -> IpNet {
    let IpNet::V6(mapped) = network else { return network };
    let (address, prefix) = (mapped.addr().to_ipv4_mapped(), mapped.prefix_len().checked_sub(96));
    let ipv4 = address.zip(prefix).and_then(|(address, prefix)| Ipv4Net::new(address, prefix).ok());
    ipv4.map_or(network, IpNet::V4)
}

/// A proxy that is neither an address nor a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidProxy(String);

impl fmt::Display for InvalidProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is no proxy: it must be an address, or a network as in \"10.0.0.0/8\"", self.0)
    }
}

impl Error for InvalidProxy {}
