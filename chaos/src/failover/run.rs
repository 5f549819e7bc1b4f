//! One run of a drill: people sign in, chat, and go on chatting while the pair is broken and
//! healed; then the account is closed.

use std::rc::Rc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use anyhow::{Context, bail};
use pollux_domain::operations::SubclusterStatus;
use tokio::select;
use tokio::sync::oneshot;
use tokio::task::LocalSet;

use super::acts::Acts;
use super::catalogue::{Expectation, Leader, Plan};
use super::keepsakes::{self, Keepsakes};
use super::recovery::Recovery;
use super::report::Findings;
use super::scene::Scene;
use crate::client::Tls;
use crate::load::{Cast, Stage, Target, now};
use crate::servers::Users;
use crate::servers::pair::{CASTOR, Homes, POLLUX, Pair, PairOptions};

/// People chat so long before the fault, and so long after the pair is whole again.
const CHAT: Duration = Duration::from_secs(2);
/// How soon a pair must be whole by itself after the fault is healed.
pub(super) const WHOLE_LIMIT: Duration = Duration::from_secs(10);
/// A drill goes on measuring a pair that is not whole in time.
const WHOLE_AT_ALL: Duration = Duration::from_secs(30);
/// How soon after the healing everybody must see who is here, and who has gone.
const TRUTH_LIMIT: Duration = Duration::from_secs(5);
/// Many clients cannot ask a silent server every 250 ms: their questions alone would be a load.
const CROWD_PATIENCE: Duration = Duration::from_secs(20);
/// Nothing may move for so long before what is missing counts as lost.
const PATIENCE: Duration = Duration::from_secs(15);
/// Between two looks at who leads while it is arranged.
const LEADER_TRIES: usize = 20;

/// Who chats.
#[derive(Debug, Clone, Copy)]
pub struct Crowd {
    pub pairs: usize,
    /// Messages a second in all.
    pub rate: f64,
    pub homes: Homes,
    pub starttls: bool,
    /// A server that is silent for so long is given up.
    pub patience: Duration,
}

impl Crowd {
    /// As the plan wants it.
    pub fn of(self, plan: &Plan) -> Crowd {
        match plan.pairs {
            None => self,
            Some(pairs) => Crowd {
                pairs,
                patience: CROWD_PATIENCE,
                ..self
            },
        }
    }

    /// Who chat, and who only keep what they have.
    fn users(&self) -> Users {
        Users::new(self.pairs * 2 + keepsakes::USERS)
    }

    fn target(&self, pair: &Pair, users: &Users, progress: bool) -> anyhow::Result<Target> {
        let tls = if self.starttls {
            pair.certificate().tls()?
        } else {
            Tls::Never
        };
        Ok(Target {
            patience: Some(self.patience),
            tls,
            ..Target::of_pair(pair, users, progress)
        })
    }
}

/// A pair that is fit for the drill, with the users of the crowd.
pub fn open(plan: &Plan, options: &PairOptions, crowd: &Crowd) -> anyhow::Result<Pair> {
    let options = PairOptions {
        disks: plan.disks,
        neighbours: plan.neighbours,
        ground: plan.ground,
        ..options.clone()
    };
    let pair = Pair::open(&options).context("make a pair")?;
    pair.add_users(&crowd.users(), crowd.homes)?;
    Ok(pair)
}

/// What the thread that breaks things brings home.
struct Broken {
    fault: Option<tokio::time::Instant>,
    whole: Option<Duration>,
    before: SubclusterStatus,
    after: SubclusterStatus,
    acts: Acts,
    remarks: Vec<String>,
}

/// One run. `seed` tells the messages of this run from those of the others.
pub fn run(
    plan: &Plan,
    pair: &mut Pair,
    crowd: &Crowd,
    seed: u64,
    progress: bool,
) -> anyhow::Result<Findings> {
    pair.wait_healthy(WHOLE_AT_ALL)
        .context("wait for a pair to break")?;
    let users = crowd.users();
    let target = Rc::new(crowd.target(pair, &users, progress)?);
    arrange(plan, pair)?;
    keepsakes::set_policy(pair, &users)?;
    let (tell, told) = sync_channel(1);
    let (done, is_done) = oneshot::channel();
    let mut findings = std::thread::scope(|scope| {
        let pair = &mut *pair;
        let breaking = scope.spawn(move || {
            let result = break_and_heal(plan, pair, &told);
            // If nobody listens any more, the run has failed on the other side.
            let _ = done.send(());
            result
        });
        let chat = chat(crowd, target, seed, tell, is_done);
        let chatted = on_one_thread(chat);
        let broken = breaking.join().ok().context("the drill panicked")?;
        let (start, mut findings, timeline) = chatted?;
        let broken = broken.context("break and heal the pair")?;
        let fault = broken.fault.context("the drill broke nothing")?;
        findings.recovery = Recovery::of(&timeline, start, fault);
        findings.whole_ms = broken.whole.map(|whole| whole.as_secs_f64() * 1e3);
        findings.terms = broken.after.term.saturating_sub(broken.before.term);
        findings.epochs = epochs(&broken.before, &broken.after);
        findings.late_acts = broken.acts.late();
        findings.accounts = broken.acts.count();
        findings.remarks = broken.remarks;
        anyhow::Ok(findings)
    })?;
    if keepsakes::is_policy_lost(pair, &users)? {
        findings.forgotten.push("the privacy policy".to_owned());
    }
    Ok(findings)
}

/// How often somebody else began to serve the users of castor.
fn epochs(before: &SubclusterStatus, after: &SubclusterStatus) -> u64 {
    let epoch = |status: &SubclusterStatus| status.homes.first().map_or(0, |home| home.epoch);
    epoch(after).saturating_sub(epoch(before))
}

/// Castor serves, and whoever the drill wants leads.
fn arrange(plan: &Plan, pair: &mut Pair) -> anyhow::Result<()> {
    for _try in 0..LEADER_TRIES {
        let scene = scene(pair, CASTOR);
        scene.move_to(CASTOR)?;
        let leader = pair.leader(CASTOR)?;
        match (plan.leader, leader) {
            (Leader::Any, _) | (Leader::Serves, CASTOR) | (Leader::StandsBy, POLLUX) => {
                return pair.wait_healthy(WHOLE_AT_ALL);
            }
            // Whoever serves is chosen by an operator; who leads is not.
            (Leader::Serves, POLLUX) => {
                let scene = self::scene(pair, CASTOR);
                scene.move_to(POLLUX)?;
                return pair.wait_healthy(WHOLE_AT_ALL);
            }
            (Leader::StandsBy, CASTOR) => {
                let scene = self::scene(pair, CASTOR);
                scene.move_to(POLLUX)?;
                return pair.wait_healthy(WHOLE_AT_ALL);
            }
            _ => {
                pair.stations[leader].kill()?;
                pair.stations[leader].start(&pair.ground)?;
                pair.wait_healthy(WHOLE_AT_ALL)?;
            }
        }
    }
    bail!("the wanted node does not lead");
}

fn scene(pair: &mut Pair, owner: usize) -> Scene<'_> {
    Scene {
        pair,
        owner,
        fault: None,
        healed: None,
        acts: Acts::default(),
        remarks: Vec::new(),
    }
}

fn break_and_heal(plan: &Plan, pair: &mut Pair, told: &Receiver<()>) -> anyhow::Result<Broken> {
    told.recv().context("wait until people chat")?;
    let onlooker = pair.onlooker();
    let owner = pair.owner(onlooker)?;
    let before = pair.status(onlooker)?;
    let mut scene = scene(pair, owner);
    scene.last(CHAT);
    scene.acts.read_all(scene.pair);
    let acted = (plan.act)(&mut scene);
    scene.healed();
    let healed = now();
    let (fault, remarks) = (scene.fault, std::mem::take(&mut scene.remarks));
    acted?;
    let whole = match scene.pair.wait_healthy(WHOLE_LIMIT) {
        Ok(()) => Some(healed.elapsed()),
        Err(_late) => {
            scene.pair.wait_healthy(WHOLE_AT_ALL)?;
            Some(healed.elapsed())
        }
    };
    scene.last(CHAT);
    let after = scene.pair.status(onlooker)?;
    scene.acts.read_all(scene.pair);
    let acts = std::mem::take(&mut scene.acts);
    if plan.expectation != Expectation::Anything {
        scene.pair.verify(onlooker)?;
    }
    Ok(Broken {
        fault,
        whole,
        before,
        after,
        acts,
        remarks,
    })
}

type Chatted = (tokio::time::Instant, Findings, crate::load::Timeline);

async fn chat(
    crowd: &Crowd,
    target: Rc<Target>,
    seed: u64,
    tell: std::sync::mpsc::SyncSender<()>,
    is_done: oneshot::Receiver<()>,
) -> anyhow::Result<Chatted> {
    let cast = Cast {
        persist: true,
        watch: true,
        seed,
        ..Cast::of(crowd.pairs)
    };
    let keepsakes = Keepsakes::put(&target, seed).await;
    let keepsakes = keepsakes.context("put down what must be kept")?;
    let mut stage = Stage::open(target.clone(), cast).await?;
    target.say(format_args!("{} clients chat", crowd.pairs * 2));
    tell.send(()).context("begin to break things")?;
    stage
        .pace(crowd.rate, async {
            let _ = is_done.await;
        })
        .await?;
    stage.drain(PATIENCE).await?;
    let shared = stage.shared.clone();
    let unseen = stage.unseen(TRUTH_LIMIT).await;
    let ghosts = stage.part(TRUTH_LIMIT).await;
    let forgotten = keepsakes.missing(&target).await;
    let forgotten = forgotten.context("look for what was kept")?;
    let timeline = stage.take_timeline();
    let lost = shared.oracle.borrow().lost(10);
    let false_unavailable = shared.false_unavailable();
    select! {
        biased;
        verdict = stage.finish() => Ok((shared.start, Findings {
            verdict: verdict?,
            false_unavailable,
            ghosts: ghosts as u64,
            unseen: unseen as u64,
            forgotten,
            lost,
            faults: shared.faults.take(),
            ..Findings::default()
        }, timeline)),
        () = tokio::time::sleep(WHOLE_AT_ALL) => bail!("clients do not get to sign off"),
    }
}

pub(super) fn on_one_thread<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.context("start the runtime")?;
    LocalSet::new().block_on(&runtime, work)
}
