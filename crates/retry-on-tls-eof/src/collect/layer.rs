use tower_layer::Layer;

use super::error::InvalidBodyLimit;
use super::range;
use super::service::CollectBody;

/// Applies [`CollectBody`] to services.
///
/// Goes below the retry, and below the attempt's time limit if that is to cover the body, too.
///
/// ```
/// use retry_on_tls_eof::CollectBodyLayer;
///
/// let layer = CollectBodyLayer::new(16 * 1024 * 1024)?;
/// assert_eq!(
///     CollectBodyLayer::new(0).unwrap_err().to_string(),
///     "a limit of 0 bytes for collected bodies is out of range: 1 to 1073741824"
/// );
/// # Ok::<(), retry_on_tls_eof::InvalidBodyLimit>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct CollectBodyLayer {
    limit: usize,
}

impl CollectBodyLayer {
    /// The largest limit: 1 GiB. A choice: what is larger should be streamed, and its transfer resumed.
    pub const MAX: usize = range::MAX;

    /// Collects bodies of up to so many bytes: 1 to [`MAX`](Self::MAX). Larger ones pass.
    ///
    /// OVHcloud's availabilities have 18 kB filtered and 4.3 MB unfiltered, its catalogue about 12 MB.
    ///
    /// # Errors
    ///
    /// If the limit is out of that range.
    pub fn new(limit: usize) -> Result<Self, InvalidBodyLimit> {
        if (1..=Self::MAX).contains(&limit) { Ok(Self { limit }) } else { Err(InvalidBodyLimit(limit)) }
    }
}

impl<S> Layer<S> for CollectBodyLayer {
    type Service = CollectBody<S>;

    fn layer(&self, inner: S) -> Self::Service {
        CollectBody::new(inner, self.limit)
    }
}
