/// 1 GiB. A choice: what is larger should be streamed, and its transfer resumed.
pub(super) const MAX: usize = 1024 * 1024 * 1024;
