//! A world for commands that have no runtime: it runs until it is told to stop.

use std::time::Duration;

use tokio::signal::unix::Signal;
use tokio::signal::unix::SignalKind;
use tokio::signal::unix::signal;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use crate::DevnetError;
use crate::world::Block;
use crate::world::Options;
use crate::world::World;

/// Blocks that may fail to come before the world is given up: this many slots, and a while for a machine at its limits.
const SLOTS: u32 = 3;
const GRACE: Duration = Duration::from_secs(20);

/// Starts a world on a runtime of its own, calls `up` when it stands and `each` with every block, until SIGINT (Ctrl-C) or
/// SIGTERM comes, or one of the two says no; then ends it. Not to be called within a runtime.
///
/// # Errors
/// What `up` and `each` say, and what keeps the world from standing or going on.
pub fn serve<E: From<DevnetError>>(
    options: Options,
    up: impl FnOnce(&World) -> Result<(), E>,
    each: impl FnMut(&Block) -> Result<(), E>,
) -> Result<(), E> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|cause| DevnetError::System { what: "runtime", cause })?;
    runtime.block_on(async {
        let mut stop = Stop::new()?;
        let started = tokio::select! {
            started = World::start(options) => started,
            // Dropped half-way, it takes its node with it.
            () = stop.requested() => return Ok(()),
        };
        let world = started?;
        let mut blocks = world.blocks();
        let ended = match up(&world) {
            Ok(()) => follow(&world, &mut blocks, &mut stop, each).await,
            no => no,
        };
        world.stop().await;
        ended
    })
}

async fn follow<E: From<DevnetError>>(
    world: &World,
    blocks: &mut Receiver<Block>,
    stop: &mut Stop,
    mut each: impl FnMut(&Block) -> Result<(), E>,
) -> Result<(), E> {
    let patience = world.options.slot * SLOTS + GRACE;
    loop {
        let block = tokio::select! {
            block = tokio::time::timeout(patience, blocks.recv()) => block,
            () = stop.requested() => return Ok(()),
        };
        match block {
            Ok(Ok(block)) => each(&block)?,
            // `each` was too slow for a thousand blocks; they are gone, and it goes on.
            Ok(Err(RecvError::Lagged(_))) => {}
            Ok(Err(RecvError::Closed)) | Err(_) => return Err(DevnetError::Stalled(patience.as_secs()).into()),
        }
    }
}

/// The signals that end it.
struct Stop {
    interrupt: Signal,
    terminate: Signal,
}

impl Stop {
    fn new() -> Result<Self, DevnetError> {
        let catch = |kind| signal(kind).map_err(|cause| DevnetError::System { what: "signals", cause });
        Ok(Self { interrupt: catch(SignalKind::interrupt())?, terminate: catch(SignalKind::terminate())? })
    }

    async fn requested(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
