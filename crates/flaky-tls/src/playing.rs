//! A script while it is played.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::script::Script;

/// A script that can be changed between two connections.
#[derive(Debug)]
pub(crate) struct Playing<S>(Mutex<(Arc<Script<S>>, u64)>);

/// The place of one connection in a script.
pub(crate) struct Turn<S> {
    script: Arc<Script<S>>,
    index: u64,
}

impl<S: Copy> Playing<S> {
    pub(crate) fn new(script: Script<S>) -> Self {
        Self(Mutex::new((Arc::new(script), 0)))
    }

    /// Plays this script from its beginning.
    pub(crate) fn set(&self, script: Script<S>) {
        *self.0.lock() = (Arc::new(script), 0);
    }

    /// The turn of the next connection.
    pub(crate) fn next(&self) -> Turn<S> {
        let (script, next) = &mut *self.0.lock();
        let index = *next;
        *next += 1;
        Turn { script: Arc::clone(script), index }
    }
}

impl<S: Copy> Turn<S> {
    /// Asks the script. Its function may panic.
    pub(crate) fn scenario(&self) -> S {
        self.script.scenario(self.index)
    }
}
