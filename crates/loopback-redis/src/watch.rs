//! What ends the server if this program is killed.

use std::io;
use std::process::{Child, Command, Stdio};

/// A shell that reads from a pipe which nobody writes to. The pipe ends with this program, however that ends; then the shell
/// kills the process.
#[derive(Debug)]
pub(crate) struct Watch(Child);

impl Watch {
    pub(crate) fn over(process: u32) -> io::Result<Self> {
        Command::new("sh")
            .args(["-c", "read -r _; kill -9 \"$0\"", &process.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map(Self)
    }
}

/// The process has ended, and its number may be another's.
impl Drop for Watch {
    fn drop(&mut self) {
        // Not by the end of the pipe.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
