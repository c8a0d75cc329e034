//! A server of one's own on a free port of 127.0.0.1: Redis, or Valkey. It keeps nothing on disk unless told to, and ends
//! with its handle, or with the program, even if that is killed.
//!
//! `LOOPBACK_REDIS=/path/to/valkey-server` runs that program instead of the first that is found.

#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod disk;
mod watch;

use std::io::{self, BufRead, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::thread;

use crate::disk::Disk;
use crate::watch::Watch;

/// The names that the program goes by, unless the environment's variable `LOOPBACK_REDIS` names another.
const PROGRAMS: [&str; 2] = ["redis-server", "valkey-server"];

/// What to do if there is none.
pub const INSTALL: &str = "apt-get install redis-server (or valkey-server)";

/// How often another port is tried, should somebody else have taken the one that was free.
const TRIES: usize = 5;

/// A running server.
#[derive(Debug)]
pub struct LoopbackRedis {
    child: Child,
    /// While it runs.
    watch: Option<Watch>,
    port: u16,
    password: Option<String>,
    disk: Option<Disk>,
}

impl LoopbackRedis {
    /// Starts one, and waits until it accepts connections.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is no such program; otherwise what went wrong.
    pub fn start() -> io::Result<Self> {
        Self::start_with(None)
    }

    /// The same with a password.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub fn start_with(password: Option<&str>) -> io::Result<Self> {
        Self::start_on(None, password)
    }

    fn start_on(disk: Option<Disk>, password: Option<&str>) -> io::Result<Self> {
        let mut last = io::Error::from(io::ErrorKind::NotFound);
        for _ in 0..TRIES {
            let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
            match spawn(port, password, disk.as_ref()) {
                Ok((child, watch)) => {
                    let password = password.map(str::to_owned);
                    return Ok(Self { child, watch: Some(watch), port, password, disk });
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(error),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Starts one for the test of this name. Without the program the test is left out: that is said on stderr past the
    /// capture of output, so that it can't be overlooked; CI takes it for a failure.
    ///
    /// # Panics
    ///
    /// If there is a program, but it does not start.
    #[must_use]
    pub fn for_test(name: &str, password: Option<&str>) -> Option<Self> {
        Self::unless_there_is_none(name, Self::start_with(password))
    }

    /// The same with a directory of its own, which goes with the handle: what it is told to `SAVE` there, it has again after a
    /// [`restart`](Self::restart). It saves nothing by itself.
    ///
    /// # Panics
    ///
    /// As [`for_test`](Self::for_test), and if there can't be such a directory.
    #[must_use]
    pub fn for_test_on_disk(name: &str) -> Option<Self> {
        Self::unless_there_is_none(name, Disk::new().and_then(|disk| Self::start_on(Some(disk), None)))
    }

    #[expect(clippy::panic, reason = "a test fails by panicking")]
    fn unless_there_is_none(name: &str, started: io::Result<Self>) -> Option<Self> {
        match started {
            Ok(server) => Some(server),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // If stderr is closed, nobody can be told.
                let _ = writeln!(io::stderr(), "test left out: {name}: no redis-server; {INSTALL}");
                None
            }
            Err(error) => panic!("redis-server does not start: {error}"),
        }
    }

    /// Its port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its URL, with the password, if it has one.
    #[must_use]
    pub fn url(&self) -> String {
        let password = self.password.as_ref().map_or_else(String::new, |password| format!(":{password}@"));
        format!("redis://{password}127.0.0.1:{}/", self.port)
    }

    /// Kills it, as SIGKILL does: its data is lost, but for what was saved.
    ///
    /// # Errors
    ///
    /// If that fails.
    pub fn kill(&mut self) -> io::Result<()> {
        self.child.kill()?;
        // From here on its number may be another's.
        self.watch = None;
        self.child.wait().map(drop)
    }

    /// Starts it again on the same port, after [`kill`](Self::kill), with no data, but for what was saved.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub fn restart(&mut self) -> io::Result<()> {
        let (child, watch) = spawn(self.port, self.password.as_deref(), self.disk.as_ref())?;
        (self.child, self.watch) = (child, Some(watch));
        Ok(())
    }

    /// Stops its process in its tracks (SIGSTOP): connections stand, nothing is answered.
    ///
    /// # Errors
    ///
    /// If that fails.
    pub fn freeze(&self) -> io::Result<()> {
        self.signal("-STOP")
    }

    /// Lets a frozen one go on.
    ///
    /// # Errors
    ///
    /// If that fails.
    pub fn thaw(&self) -> io::Result<()> {
        self.signal("-CONT")
    }

    fn signal(&self, signal: &str) -> io::Result<()> {
        let status = Command::new("kill").args([signal, &self.child.id().to_string()]).status()?;
        if status.success() { Ok(()) } else { Err(io::Error::other("kill has failed")) }
    }
}

impl Drop for LoopbackRedis {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.kill();
    }
}

fn spawn(port: u16, password: Option<&str>, disk: Option<&Disk>) -> io::Result<(Child, Watch)> {
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    let named = std::env::var("LOOPBACK_REDIS").ok();
    let named = named.as_deref();
    for program in named.into_iter().chain(PROGRAMS.into_iter().filter(|_| named.is_none())) {
        let mut command = Command::new(program);
        command.args([
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "no",
            "--port",
            &port.to_string(),
        ]);
        if let Some(password) = password {
            command.args(["--requirepass", password]);
        }
        if let Some(disk) = disk {
            command.arg("--dir").arg(disk.path());
        }
        match command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn() {
            Ok(child) => return watched(child),
            Err(error) if error.kind() == io::ErrorKind::NotFound => last = error,
            Err(error) => return Err(error),
        }
    }
    Err(last)
}

fn watched(mut child: Child) -> io::Result<(Child, Watch)> {
    let watched = Watch::over(child.id()).and_then(|watch| accepting(&mut child).map(|()| watch));
    match watched {
        Ok(watch) => Ok((child, watch)),
        Err(error) => {
            child.kill()?;
            child.wait()?;
            Err(error)
        }
    }
}

/// Waits for the line that says so; what it writes later is read and dropped, lest it block.
fn accepting(child: &mut Child) -> io::Result<()> {
    let Some(stdout) = child.stdout.take() else { return Ok(()) };
    let mut lines = BufReader::new(stdout).lines();
    for line in lines.by_ref() {
        if line?.contains("Ready to accept connections") {
            thread::spawn(move || lines.for_each(drop));
            return Ok(());
        }
    }
    Err(io::Error::other("it ended before it accepted connections"))
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::net::TcpStream;

    /// In a program of its own, which is killed.
    #[test]
    #[ignore = "`it_ends_with_its_program` runs it"]
    fn a_program() {
        if let Ok(server) = LoopbackRedis::start() {
            println!("port={}", server.port());
            thread::park();
        }
    }

    #[test]
    fn it_ends_with_its_program() {
        let Some(mut own) = LoopbackRedis::for_test("it_ends_with_its_program", None) else { return };
        let mut program = Command::new(std::env::current_exe().unwrap());
        program.args(["--exact", "tests::a_program", "--ignored", "--nocapture"]);
        let mut program = program.stdout(Stdio::piped()).spawn().unwrap();
        let mut said = BufReader::new(program.stdout.take().unwrap()).lines().map(Result::unwrap);
        let port = said.find_map(|line| line.split_once("port=")?.1.parse().ok()).unwrap();
        let connect = |port: u16| TcpStream::connect((Ipv4Addr::LOCALHOST, port));
        let mut connection = connect(port).unwrap();
        program.kill().unwrap();
        program.wait().unwrap();
        // Until it is closed.
        connection.set_read_timeout(Some(std::time::Duration::from_secs(20))).unwrap();
        let closed = io::copy(&mut connection, &mut io::sink());
        assert!(
            !closed.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock),
            "it has outlived its program"
        );
        // Others go on, and again.
        connect(own.port()).unwrap();
        own.kill().unwrap();
        own.restart().unwrap();
        connect(own.port()).unwrap();
    }
}
