use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::clock::Clock;
use crate::options::Options;
use crate::world::World;

/// The version of the file's format; a newer one is refused.
const FORMAT: u64 = 1;
/// How many past worlds stay readable.
const PAST_WORLDS: usize = 64;

/// The file's shape. `generation` comes early: it is read alone to see whether to read the rest.
#[derive(Serialize, Deserialize)]
struct Stored<W> {
    format: u64,
    generation: u64,
    /// Virtual time when it was written; no later process starts before it.
    now: f64,
    world: W,
}

/// What reading the world's header gives, without the world.
#[derive(Deserialize)]
struct Header {
    format: u64,
    generation: u64,
    now: f64,
}

/// The world and its file.
#[derive(Debug)]
pub(crate) struct Store {
    options: Options,
    world: World,
    /// The world's text as last stored or loaded.
    text: String,
    generation: u64,
    /// Earlier worlds with the time they began, oldest first: for stale reads.
    past: VecDeque<(f64, String)>,
}

/// Whether a request can have changed the world by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Intent {
    Read,
    Write,
}

impl Store {
    /// Loads the world or starts an empty one, with the time to continue from.
    pub(crate) fn open(options: Options) -> io::Result<(Self, f64)> {
        let world = World::new(&options);
        let epoch = options.epoch;
        let text = encode(&world)?;
        let past = VecDeque::from([(f64::NEG_INFINITY, text.clone())]);
        let mut store = Self { options, world, text, generation: 0, past };
        let mut now = epoch;
        if let Some(path) = store.options.file.clone() {
            if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
                fs::create_dir_all(parent)?;
            }
            let mut lock = Lock::take(&path)?;
            match store.reload(&path)? {
                Some(saved) => now = saved.max(lock.time()),
                None => store.save(&path, now)?,
            }
        }
        Ok((store, now))
    }

    /// Puts an empty world in the place of whatever is in the file, which nobody has to be able
    /// to read. Time goes on.
    pub(crate) fn empty(options: Options) -> io::Result<()> {
        let mut world = World::new(&options);
        let text = encode(&world)?;
        let mut blobs = std::mem::take(&mut world.blobs);
        let mut store = Self { options, world, text, generation: 0, past: VecDeque::new() };
        let Some(path) = store.options.file.clone() else { return Ok(()) };
        if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            fs::create_dir_all(parent)?;
        }
        let mut lock = Lock::take(&path)?;
        let now = lock.time().max(store.options.epoch);
        // The last generation may be unknown: seconds since 1970 are more than a world was ever
        // written times, so that a process that holds the old one reads the new one.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "of this era")]
        let generation = now as u64;
        store.generation = generation;
        store.save(&path, now)?;
        // Last: a world may lack what is on the disk, and not the other way round.
        blobs.clear()
    }

    /// A copy of the world in memory, without its file and its past.
    pub(crate) fn fork(&self) -> Self {
        let past = VecDeque::from([(f64::NEG_INFINITY, self.text.clone())]);
        let mut world = self.world.clone();
        world.blobs = world.blobs.fork();
        Self {
            options: Options { file: None, ..self.options.clone() },
            world,
            text: self.text.clone(),
            generation: 0,
            past,
        }
    }

    /// Runs one request on the current world, and keeps what it changed.
    ///
    /// Under the file's lock from reading to writing, so that two processes never lose each
    /// other's changes.
    pub(crate) fn transact<R>(
        &mut self,
        clock: &Clock,
        intent: Intent,
        request: impl FnOnce(&mut World, f64) -> R,
    ) -> io::Result<R> {
        let file = self.options.file.clone();
        let mut lock = file.as_deref().map(Lock::take).transpose()?;
        if let (Some(path), Some(lock)) = (&file, &mut lock) {
            clock.reach(lock.time());
            match self.reload(path)? {
                Some(saved) => clock.reach(saved),
                // Somebody removed the file: what is held here is the world that remains.
                None => self.save(path, clock.now())?,
            }
        }
        let now = clock.now();
        self.world.advance(now);
        let answer = request(&mut self.world, now);
        let is_kept = file.is_some() || !self.options.memory.is_zero();
        if is_kept && (intent == Intent::Write || file.is_some()) {
            self.keep(file.as_deref(), now)?;
        }
        if let Some(lock) = &mut lock {
            lock.set_time(now)?;
        }
        Ok(answer)
    }

    /// Runs a read on the world as it was at `time`.
    pub(crate) fn read_past<R>(
        &mut self,
        time: f64,
        request: impl FnOnce(&mut World, f64) -> R,
    ) -> io::Result<R> {
        if self.options.memory.is_zero() {
            return Ok(request(&mut self.world, time));
        }
        let (_, text) = self
            .past
            .iter()
            .rev()
            .find(|(began, _)| *began <= time)
            .or_else(|| self.past.front())
            .ok_or_else(|| io::Error::other("the past of the sandbox is never empty"))?;
        let mut world: World = serde_json::from_str(text)?;
        world.blobs = self.world.blobs.fork();
        world.advance(time);
        Ok(request(&mut world, time))
    }

    pub(crate) fn world(&self) -> &World {
        &self.world
    }

    /// Starts over with an empty world. Time goes on.
    pub(crate) fn reset(&mut self, clock: &Clock) -> io::Result<()> {
        self.transact(clock, Intent::Write, |_, _| ())?;
        let file = self.options.file.clone();
        let _lock = file.as_deref().map(Lock::take).transpose()?;
        let mut blobs = std::mem::take(&mut self.world.blobs);
        self.world = World::new(&self.options);
        self.keep(file.as_deref(), clock.now())?;
        // Last: a world may lack what is on the disk, and not the other way round.
        blobs.clear()
    }

    /// Stores the world if it differs from what is stored.
    fn keep(&mut self, file: Option<&Path>, now: f64) -> io::Result<()> {
        let text = encode(&self.world)?;
        if text == self.text {
            return Ok(());
        }
        self.remember(now, text);
        match file {
            Some(path) => self.save(path, now),
            None => Ok(()),
        }
    }

    fn remember(&mut self, now: f64, text: String) {
        self.text.clone_from(&text);
        let memory = self.options.memory.as_secs_f64();
        if memory == 0.0 {
            return;
        }
        self.past.push_back((now, text));
        // The oldest kept world must have begun before the oldest time one may ask for.
        while self.past.len() > PAST_WORLDS
            || self.past.get(1).is_some_and(|(began, _)| *began < now - memory)
        {
            self.past.pop_front();
        }
    }

    /// Reads the file if another process has written it, and returns the time it records.
    fn reload(&mut self, path: &Path) -> io::Result<Option<f64>> {
        let mut file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut start = [0; 128];
        let length = file.read(&mut start)?;
        if let Some(header) = header(&start[..length])
            && header.format == FORMAT
            && header.generation == self.generation
        {
            return Ok(Some(header.now));
        }
        let text = fs::read_to_string(path)?;
        let format = serde_json::from_str::<Header>(&text).map_err(|error| broken(path, &error))?;
        if format.format != FORMAT {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!(
                    "{} has format {}, and this program knows format {FORMAT}",
                    path.display(),
                    format.format
                ),
            ));
        }
        let stored: Stored<World> =
            serde_json::from_str(&text).map_err(|error| broken(path, &error))?;
        let mut world = stored.world;
        world.adopt_bytes(&mut self.world);
        self.world = world;
        self.generation = stored.generation;
        let text = encode(&self.world)?;
        self.remember(stored.now, text);
        Ok(Some(stored.now))
    }

    fn save(&mut self, path: &Path, now: f64) -> io::Result<()> {
        self.generation += 1;
        let temporary = with_suffix(path, ".tmp");
        let mut file = File::create(&temporary)?;
        // The world's text is there already: the frame is written around it.
        write!(
            file,
            "{{\"format\":{FORMAT},\"generation\":{},\"now\":{now},\n\"world\":{}}}\n",
            self.generation, self.text
        )?;
        file.flush()?;
        drop(file);
        fs::rename(&temporary, path)
    }
}

/// Parses the first line of the file, which ends before the world begins.
fn header(start: &[u8]) -> Option<Header> {
    let line = std::str::from_utf8(start).ok()?.split_once(",\n")?.0;
    serde_json::from_str(&format!("{line}}}")).ok()
}

fn broken(path: &Path, error: &serde_json::Error) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("{} is not a sandbox's world: {error}", path.display()),
    )
}

fn encode(world: &World) -> io::Result<String> {
    serde_json::to_string(world).map_err(io::Error::from)
}

/// The lock on a world's file, held until it is dropped.
///
/// A file of its own: the world's file is replaced, and a lock on the old one protects nothing.
/// It holds the time of the latest request, in virtual seconds since 1970: who only reads does
/// not write the world, and still nobody may start before what it has seen.
struct Lock(File);

impl Lock {
    fn take(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(with_suffix(path, ".lock"))?;
        file.lock()?;
        Ok(Self(file))
    }

    /// The time it holds; the beginning of time when there is none to be read.
    fn time(&mut self) -> f64 {
        let mut text = String::new();
        let read = self.0.seek(SeekFrom::Start(0)).and_then(|_| self.0.read_to_string(&mut text));
        read.ok().and_then(|_| text.trim().parse().ok()).unwrap_or(f64::NEG_INFINITY)
    }

    fn set_time(&mut self, now: f64) -> io::Result<()> {
        // One width, so that no digit of an earlier time is left behind.
        self.0.seek(SeekFrom::Start(0))?;
        self.0.write_all(format!("{now:20.6}\n").as_bytes())
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}
