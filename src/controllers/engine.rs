//! The loop that all controllers share: news in, plans made, writes out, their answers taken as news.
//!
//! One task owns what is known and what is due; nothing is locked. Writes run beside it, for one object at a time and
//! for so many objects at once. After them the object is looked at again with their answers, until nothing is left to
//! write; then its status is told. Only the leader writes; a follower keeps its knowledge warm.

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use kube::runtime::events::{Event as Published, EventType, Recorder, Reporter};
use serde_json::Value;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::kinds::{News, Stores, Wake, forget, learn};
use super::queue::{Queue, Trouble};
use super::store::Name;
use crate::cluster::execute::{self, Done, Executor};
use crate::lifecycle::plan::{Action, Event, Kind, Plan, Statement, Target, Write};
use crate::lifecycle::{claim, warm_pool};
use crate::telemetry::metrics::{ControllerLabels, Metrics, PassLabels};

/// Events of watches taken in before anything is done: a list of thousands is one look at each, not two.
const BURST: usize = 512;
/// Objects of one controller looked at before the loop turns to news again.
const TURN: usize = 128;
/// Rounds of writes for one object in a row. An object needs a handful; more means that the API server keeps changing
/// what is written, and must not become a hot loop.
const ROUNDS: u32 = 8;
/// Events being published at once.
const EVENTS: usize = 256;
/// Attempts that fail for a reason that may be over in a moment, before the status tells of it.
const PATIENT: u32 = 3;

/// What a controller looks at.
pub struct Look<'a> {
    /// Everything that is known.
    pub stores: &'a Stores,
    /// What the last writes came to.
    pub failures: &'a [String],
    /// Reason of the last event that was published about the object.
    pub told: Option<&'static str>,
    /// Sandboxes that others of the kind are about to take, by namespace and name.
    pub reserved: &'a HashMap<Name, String>,
    /// What all objects have in common.
    pub context: &'a Context,
    /// The time.
    pub now: Timestamp,
}

/// What all objects have in common.
#[derive(Clone, Debug)]
pub struct Context {
    /// Domain of the cluster's DNS.
    pub cluster_domain: String,
    /// How pools are kept.
    pub pools: warm_pool::Settings,
    /// How claims are served.
    pub claims: claim::Settings,
}

/// A controller: a row of the table.
pub struct Controller {
    /// The kind that it looks after.
    pub kind: Kind,
    /// Name in events and metrics.
    pub name: &'static str,
    /// Objects written at once.
    pub workers: usize,
    /// Whether all that decides is known.
    pub settled: fn(&Stores) -> bool,
    /// All objects that it looks after.
    pub all: fn(&Stores) -> Vec<Name>,
    /// What to do about one of them; `None` when it does not exist.
    pub plan: fn(&Look<'_>, &Name) -> Option<Plan>,
    /// Who the object is, for events.
    pub reference: fn(&Stores, &Name) -> Option<ObjectReference>,
}

/// A look at one object that writes are part of.
#[derive(Default)]
struct Pass {
    failures: Vec<String>,
    rounds: u32,
    /// Writes of a look after failures failed as well, or never end: only the telling is left.
    stuck: bool,
    transient: bool,
}

/// One controller at work.
struct Running {
    controller: Controller,
    queue: Queue,
    passes: HashMap<Name, Pass>,
    /// Since when something waits to be told.
    held: HashMap<Name, Instant>,
    /// Reason of the last event about an object.
    told: HashMap<Name, &'static str>,
    /// Sandboxes that are about to be taken, each with the name of the claim that does.
    reserved: HashMap<Name, String>,
    recorder: Recorder,
}

/// Writes that have ended.
struct Finished {
    index: usize,
    name: Name,
    done: Done,
    /// Present where the status was written: the events that go with it.
    told: Option<Vec<Event>>,
}

/// What the loop needs from outside.
pub struct Inputs {
    /// What watches tell.
    pub news: mpsc::Receiver<Box<dyn News>>,
    /// Whether this process is the one that writes.
    pub leading: watch::Receiver<bool>,
    /// Told to end.
    pub stop: CancellationToken,
    /// Cancelled once nothing is being written any more.
    pub quiet: CancellationToken,
}

/// The loop.
pub struct Engine {
    executor: Executor,
    context: Context,
    metrics: Metrics,
    stores: Stores,
    running: Vec<Running>,
    executions: JoinSet<Finished>,
    publishing: JoinSet<()>,
    leading: bool,
}

impl Engine {
    /// A loop for these controllers that knows nothing yet.
    #[must_use]
    pub fn new(
        client: Client,
        context: Context,
        controllers: Vec<Controller>,
        metrics: Metrics,
    ) -> Self {
        let running = controllers
            .into_iter()
            .map(|controller| Running {
                recorder: Recorder::new(
                    client.clone(),
                    Reporter {
                        controller: controller.name.to_owned(),
                        instance: None,
                    },
                ),
                controller,
                queue: Queue::default(),
                passes: HashMap::new(),
                held: HashMap::new(),
                told: HashMap::new(),
                reserved: HashMap::new(),
            })
            .collect();
        Self {
            executor: Executor::new(client),
            context,
            metrics,
            stores: Stores::default(),
            running,
            executions: JoinSet::new(),
            publishing: JoinSet::new(),
            leading: false,
        }
    }

    /// Runs until told to end; then waits for the writes that are under way, each of which has a deadline.
    pub async fn run(mut self, mut inputs: Inputs) {
        let mut burst = Vec::with_capacity(BURST);
        let leading = *inputs.leading.borrow_and_update();
        self.lead(leading).await;
        loop {
            let due = self.next_due();
            tokio::select! {
                biased;
                () = inputs.stop.cancelled() => break,
                Ok(()) = inputs.leading.changed() => {
                    let leading = *inputs.leading.borrow_and_update();
                    self.lead(leading).await;
                }
                count = inputs.news.recv_many(&mut burst, BURST) => {
                    if count == 0 {
                        tracing::error!("all watches have ended");
                        break;
                    }
                    for news in burst.drain(..) {
                        let wakes = news.take(&mut self.stores);
                        self.wake(wakes, None);
                    }
                }
                Some(ended) = self.executions.join_next(), if !self.executions.is_empty() => {
                    self.ended(ended);
                }
                () = sleep_until(due) => {}
            }
            self.turn();
        }
        while self.executions.join_next().await.is_some() {}
        inputs.quiet.cancel();
    }

    fn ended(&mut self, ended: Result<Finished, JoinError>) {
        match ended {
            Ok(finished) => self.finished(finished),
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_cancelled) => {}
        }
    }

    /// When something is due that can be looked at.
    fn next_due(&self) -> Option<Instant> {
        if !self.leading {
            return None;
        }
        let able = self.running.iter().filter(|running| {
            running.passes.len() < running.controller.workers
                && (running.controller.settled)(&self.stores)
        });
        able.filter_map(|running| running.queue.next()).min()
    }

    /// Starts or stops writing.
    async fn lead(&mut self, leading: bool) {
        if leading == self.leading {
            return;
        }
        self.leading = leading;
        if !leading {
            // Another process may write from now on.
            self.executions.shutdown().await;
        }
        let now = Instant::now();
        for running in &mut self.running {
            running.passes.clear();
            running.held.clear();
            running.told.clear();
            running.reserved.clear();
            running.queue.clear();
            if leading {
                for name in (running.controller.all)(&self.stores) {
                    running.queue.add(name, now);
                }
            }
        }
    }

    /// Wants objects looked at; not the one that the news comes from.
    fn wake(&mut self, wakes: Vec<Wake>, except: Option<(usize, &Name)>) {
        if !self.leading {
            // Everything is looked at when that changes.
            return;
        }
        let now = Instant::now();
        for (kind, name) in wakes {
            let found = self
                .running
                .iter_mut()
                .enumerate()
                .find(|(_, running)| running.controller.kind == kind);
            if let Some((index, running)) = found
                && except != Some((index, &name))
            {
                running.queue.add(name, now);
            }
        }
    }

    /// Looks at what is due.
    fn turn(&mut self) {
        while self.publishing.try_join_next().is_some() {}
        // News comes first; what writes came to must not wait for a pause in it.
        while let Some(ended) = self.executions.try_join_next() {
            self.ended(ended);
        }
        if !self.leading {
            return;
        }
        let now = Instant::now();
        for index in 0..self.running.len() {
            let mut left = TURN;
            if !(self.running[index].controller.settled)(&self.stores) {
                continue;
            }
            while left > 0 {
                let running = &mut self.running[index];
                let Some(name) = running.queue.take(now, running.controller.workers) else {
                    break;
                };
                running.passes.insert(name.clone(), Pass::default());
                self.advance(index, name);
                left -= 1;
            }
            let running = &self.running[index];
            let labels = ControllerLabels {
                controller: running.controller.name,
            };
            let depth = i64::try_from(running.queue.len()).unwrap_or(i64::MAX);
            self.metrics
                .controller_queue
                .get_or_create(&labels)
                .set(depth);
        }
    }

    /// Takes the next step of a pass: write, tell, or end it.
    fn advance(&mut self, index: usize, name: Name) {
        let running = &mut self.running[index];
        running.queue.seen(&name);
        let pass = running.passes.entry(name.clone()).or_default();
        pass.rounds += 1;
        if pass.rounds > ROUNDS {
            pass.stuck = true;
        }
        let look = Look {
            stores: &self.stores,
            failures: &pass.failures,
            told: running.told.get(&name).copied(),
            reserved: &running.reserved,
            context: &self.context,
            now: Timestamp::now(),
        };
        let Some(plan) = (running.controller.plan)(&look, &name) else {
            running.held.remove(&name);
            running.told.remove(&name);
            self.end(index, &name, None);
            return;
        };
        if pass.stuck && pass.rounds > ROUNDS + 1 {
            self.end(index, &name, Some(&plan));
            return;
        }
        if !plan.actions.is_empty() && !pass.stuck {
            if let Some(sandbox) = plan.reserves {
                let key = (name.0.clone(), sandbox);
                running.reserved.insert(key, name.1.clone());
            }
            self.execute(index, name, plan.actions, None);
            return;
        }
        let due = match &plan.statement {
            Some(statement) => running.is_due(&name, statement.patience),
            None => {
                running.held.remove(&name);
                false
            }
        };
        match plan.statement {
            Some(Statement {
                status: Some(status),
                events,
                ..
            }) if due => self.tell(index, name, status, events),
            Some(Statement { ref events, .. }) if due => {
                let events = events.clone();
                self.publish(index, &name, events);
                self.end(index, &name, Some(&plan));
            }
            _ => self.end(index, &name, Some(&plan)),
        }
    }

    fn tell(&mut self, index: usize, name: Name, status: Value, events: Vec<Event>) {
        let running = &mut self.running[index];
        running.held.remove(&name);
        let action = Action {
            target: Target::new(running.controller.kind, &name.0, &name.1),
            write: Write::Status(status),
            step: 0,
        };
        self.execute(index, name, vec![action], Some(events));
    }

    fn execute(
        &mut self,
        index: usize,
        name: Name,
        actions: Vec<Action>,
        told: Option<Vec<Event>>,
    ) {
        let executor = self.executor.clone();
        self.executions.spawn(async move {
            Finished {
                index,
                name,
                done: executor.perform(actions).await,
                told,
            }
        });
    }

    fn finished(&mut self, finished: Finished) {
        let Finished {
            index,
            name,
            done,
            told,
        } = finished;
        for news in done.news {
            let wakes = self.learn(news);
            self.wake(wakes, Some((index, &name)));
        }
        let running = &mut self.running[index];
        let Some(pass) = running.passes.get_mut(&name) else {
            return;
        };
        let failed = !done.failures.is_empty();
        let known = !pass.failures.is_empty();
        let tries = running.queue.failures(&name);
        for failure in done.failures {
            tracing::warn!(
                controller = running.controller.name,
                namespace = name.0,
                name = name.1,
                error = failure.text,
                transient = failure.transient,
                "a write failed"
            );
            pass.transient |= failure.transient;
            if !failure.transient || tries >= PATIENT {
                pass.failures.push(failure.text);
            }
        }
        // A look after failures that fails again must not go round in circles.
        pass.stuck |= failed && known;
        match told {
            Some(_) if failed => {
                pass.stuck |= !pass.transient;
                self.end(index, &name, None);
            }
            Some(events) => {
                self.publish(index, &name, events);
                self.advance(index, name);
            }
            None if failed && pass.failures.is_empty() => self.end(index, &name, None),
            None => self.advance(index, name),
        }
    }

    fn learn(&mut self, news: execute::News) -> Vec<Wake> {
        let stores = &mut self.stores;
        let (kind, learned) = match news {
            execute::News::Present(kind, object) => (kind, learn(stores, kind, object)),
            execute::News::Gone(target) => (target.kind, Ok(forget(stores, &target))),
        };
        learned.unwrap_or_else(|error| {
            self.metrics.unreadable_objects.inc();
            tracing::error!(?kind, error, "the answer to a write cannot be read");
            Vec::new()
        })
    }

    fn publish(&mut self, index: usize, name: &Name, events: Vec<Event>) {
        let running = &mut self.running[index];
        let Some(reference) = (running.controller.reference)(&self.stores, name) else {
            return;
        };
        for event in events {
            running.told.insert(name.clone(), event.reason);
            let recorder = running.recorder.clone();
            let reference = reference.clone();
            if self.publishing.len() >= EVENTS {
                tracing::warn!(
                    reason = event.reason,
                    "too many events under way, one is left out"
                );
                return;
            }
            // An event is a courtesy: nothing waits for it, and it is not tried again.
            self.publishing.spawn(async move {
                let published = Published {
                    type_: if event.warning {
                        EventType::Warning
                    } else {
                        EventType::Normal
                    },
                    reason: event.reason.to_owned(),
                    note: Some(event.note),
                    action: event.action.to_owned(),
                    secondary: None,
                };
                let publishing = recorder.publish(&published, &reference);
                if let Err(error) =
                    crate::cluster::client::call("publish an event", publishing).await
                {
                    tracing::warn!(%error, "an event was not published");
                }
            });
        }
    }

    /// Ends a pass and says when the object comes again.
    fn end(&mut self, index: usize, name: &Name, plan: Option<&Plan>) {
        let running = &mut self.running[index];
        let pass = running.passes.remove(name).unwrap_or_default();
        let (namespace, claim) = name;
        let ours = |(of, _): &Name, by: &String| of == namespace && by == claim;
        running.reserved.retain(|sandbox, by| !ours(sandbox, by));
        let now = Instant::now();
        running.queue.done(name);
        let obstacles = plan.map_or(&[][..], |plan| &plan.obstacles);
        let blocked = !obstacles.is_empty();
        if blocked {
            tracing::warn!(
                controller = running.controller.name,
                namespace = name.0,
                name = name.1,
                obstacles = obstacles.join("; "),
                "something stands in the way"
            );
        }
        let trouble = if pass.stuck || blocked && !pass.transient {
            Some(Trouble::Refused)
        } else if pass.transient {
            Some(Trouble::Transient)
        } else {
            None
        };
        let outcome = match trouble {
            Some(trouble) => {
                let pause = running.queue.failed(name, trouble);
                running.queue.add(name.clone(), now + pause);
                match trouble {
                    Trouble::Transient => "retried",
                    Trouble::Refused => "blocked",
                }
            }
            None => {
                running.queue.succeeded(name);
                "done"
            }
        };
        if let Some(look) = plan.and_then(|plan| plan.look_again) {
            running.queue.add(name.clone(), now + look);
        }
        if let (Some(since), Some(Statement { patience, .. })) = (
            running.held.get(name),
            plan.and_then(|plan| plan.statement.as_ref()),
        ) {
            running.queue.add(name.clone(), *since + *patience);
        }
        self.metrics
            .controller_passes
            .get_or_create(&PassLabels {
                controller: running.controller.name,
                outcome,
            })
            .inc();
    }
}

impl Running {
    /// Whether what waits to be told has waited long enough.
    fn is_due(&mut self, name: &Name, patience: Duration) -> bool {
        if patience.is_zero() {
            return true;
        }
        let now = Instant::now();
        let since = *self.held.entry(name.clone()).or_insert(now);
        since + patience <= now
    }
}

async fn sleep_until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}
