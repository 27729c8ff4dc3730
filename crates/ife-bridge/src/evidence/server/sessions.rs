//! Sessions that begin and end: of the expert who is called, and of each guardian who was admitted.

use std::time::{Duration, Instant};

use ife_witness::entry::{Event, Evidence};
use tracing::{info, warn};

use super::{
    super::{
        case::{Case, Files},
        drive::{Done, World},
        grant::Grant,
        source::Prepared,
    },
    Name, Server,
};
use crate::{clock, view::EvidenceState};

/// The sessions of one call.
#[derive(Debug, Default)]
pub(super) struct Viewers {
    /// That of the last expert who was called.
    pub(super) expert: Option<Name>,
    /// Of a guardian at most two: one that is used, and a newer link.
    guardians: Vec<Name>,
}

impl Server {
    /// All sessions of a call.
    pub(super) fn sessions_of(&self, call_id: &str) -> Vec<Name> {
        let viewers = self.by_call.get(call_id).into_iter();
        viewers
            .flat_map(|viewers| viewers.expert.iter().chain(&viewers.guardians))
            .cloned()
            .collect()
    }

    /// The sessions of a guardian at a call for which `is_meant` holds.
    fn sessions_of_guardian(
        &self,
        call_id: &str,
        guardian: &str,
        is_meant: impl Fn(&Name, &Case) -> bool,
    ) -> Vec<Name> {
        let mut names = self.sessions_of(call_id);
        names.retain(|name| {
            let case = self.cases.get(name);
            case.is_some_and(|case| case.is_of(guardian) && is_meant(name, case))
        });
        names
    }

    fn add(&mut self, name: &Name, case: Case) {
        let about = &case.grant.about;
        let viewers = self.by_call.entry(about.call_id.clone()).or_default();
        match &about.guardian {
            Some(_) => viewers.guardians.push(name.clone()),
            None => viewers.expert = Some(name.clone()),
        }
        self.cases.insert(name.clone(), case);
    }

    pub(super) fn open(&mut self, grant: Grant) {
        let name: Name = grant.session.as_str().into();
        let about = grant.about.clone();
        if let Err(error) = grant.save(&self.world.settings.dir) {
            // The call keeps its evidence.
            warn!("a session will not survive a restart: {error}");
        }
        // All viewers of a call see the same files, which are found and hashed once.
        let known = self.sessions_of(&about.call_id);
        let mut known = known.iter().filter_map(|name| self.cases.get(name));
        let files = known.find(|case| !case.over).map(|case| case.files.clone());
        let is_known = files.is_some();
        self.replace(&grant);
        self.add(&name, Case::new(grant, files.unwrap_or(Files::Preparing)));
        if is_known {
            return;
        }
        let (limits, done) = (self.world.settings.limits.clone(), self.world.done.clone());
        tokio::spawn(async move {
            let files = limits.prepare(about.files).await;
            let call_id = about.call_id;
            // A server that has stopped needs no files.
            let _ = done.send(Done::Prepared { call_id, files });
        });
    }

    /// Ends the sessions that a new link stands for. A guardian's session that is used lives until
    /// the new link is used too.
    fn replace(&mut self, new: &Grant) {
        let call_id = &new.about.call_id;
        match &new.about.guardian {
            Some(guardian) if !new.link.is_used() => {
                let is_unused = |_: &Name, case: &Case| !case.grant.link.is_used();
                let unused = self.sessions_of_guardian(call_id, guardian, is_unused);
                unused.iter().for_each(|name| self.close(name));
            }
            Some(_) => {}
            None => self.next_expert(call_id, &new.about.expert_id),
        }
    }

    /// Another expert is called: the link of the one before leads nowhere any more, and guardians
    /// see who is called.
    fn next_expert(&mut self, call_id: &str, expert_id: &str) {
        for name in self.sessions_of(call_id) {
            self.with(&name, |case, world| {
                if case.grant.about.guardian.is_none() {
                    let now = Instant::now();
                    case.grant.forget(&world.settings.dir);
                    case.end(now, world.settings.linger);
                    return case.hang_up(world, now);
                }
                expert_id.clone_into(&mut case.grant.about.expert_id);
                if let Err(error) = case.grant.save(&world.settings.dir) {
                    warn!("after a restart a guardian sees the expert before: {error}");
                }
            });
        }
    }

    /// A session of a call that ended in an earlier process.
    pub(super) fn open_ended(&mut self, grant: Grant, ended_unix_s: u64) {
        let since_s = (clock::unix_ms() / 1_000).saturating_sub(ended_unix_s);
        let linger = self.world.settings.linger;
        let Some(left) = linger.checked_sub(Duration::from_secs(since_s)) else {
            return grant.forget(&self.world.settings.dir);
        };
        let name: Name = grant.session.as_str().into();
        let viewers = self.by_call.get(&grant.about.call_id);
        let is_begun_anew = viewers.is_some_and(|viewers| viewers.expert.is_some());
        let case = Case::new(grant, Files::Preparing);
        if is_begun_anew {
            self.cases.insert(name.clone(), case);
        } else {
            self.add(&name, case);
        }
        self.with(&name, |case, _| case.end(Instant::now(), left));
    }

    pub(super) fn prepared(&mut self, call_id: &str, files: Prepared) {
        let viewers = self.by_call.get(call_id);
        let expert = viewers.and_then(|viewers| viewers.expert.clone());
        if let Some(expert) = expert {
            self.with(&expert, |case, world| tell_prepared(case, &files, world));
        }
        let files = Files::Ready(files.into());
        for name in self.sessions_of(call_id) {
            self.with(&name, |case, _| {
                if !case.over {
                    case.files = files.clone();
                }
            });
        }
    }

    /// A guardian's new link is used: the session before it ends.
    pub(super) fn end_earlier(&mut self, name: &Name) {
        let Some(case) = self.cases.get(name) else {
            return;
        };
        let about = &case.grant.about;
        if let Some(guardian) = &about.guardian {
            let is_other = |other: &Name, _: &Case| other != name;
            let earlier = self.sessions_of_guardian(&about.call_id, guardian, is_other);
            earlier.iter().for_each(|name| self.close(name));
        }
    }

    /// A guardian's admission is over: no link and no cookie of the guardian is good any more.
    pub(super) fn end_guardian(&mut self, guardian: &str) {
        let all = self.cases.iter();
        let theirs = all.filter(|(_, case)| !case.over && case.is_of(guardian));
        let theirs: Vec<Name> = theirs.map(|(name, _)| name.clone()).collect();
        for name in theirs {
            self.with(&name, |case, world| {
                if case.connection.is_some() {
                    let said = Evidence {
                        error: Some("admission_over"),
                        ..Evidence::default()
                    };
                    case.record(Event::EvidenceFailed, said, "", world);
                }
                let unused = Some(EvidenceState::None).filter(|_| !case.grant.link.is_used());
                case.tell_engine(unused, "ended with the admission", Vec::new(), world);
            });
            self.close(&name);
        }
    }

    fn close(&mut self, name: &Name) {
        self.with(name, |case, world| case.hang_up(world, Instant::now()));
        self.forget(name);
    }

    pub(super) fn forget(&mut self, name: &Name) {
        if let Some(case) = self.cases.remove(name) {
            case.grant.forget(&self.world.settings.dir);
            let call_id = &case.grant.about.call_id;
            if let Some(viewers) = self.by_call.get_mut(call_id) {
                viewers.expert.take_if(|expert| expert == name);
                viewers.guardians.retain(|guardian| guardian != name);
                if viewers.expert.is_none() && viewers.guardians.is_empty() {
                    self.by_call.remove(call_id);
                }
            }
            if let Some(due) = case.due {
                self.due.remove(&(due, name.clone()));
            }
        }
        self.due.retain(|(_, due)| due != name);
        self.by_address.retain(|_, at| at != name);
    }

    /// After a restart: sessions of calls that have ended meanwhile end too.
    pub(super) fn keep(&mut self, call_ids: &[String]) {
        let calls: Vec<String> = self.by_call.keys().cloned().collect();
        for call_id in calls {
            let is_kept = call_ids.contains(&call_id);
            for name in self.sessions_of(&call_id) {
                self.with(&name, |case, world| {
                    if is_kept {
                        let detail = "session of an earlier process";
                        case.tell_engine(Some(case.grant.state), detail, Vec::new(), world);
                    } else if !case.over {
                        end(case, world, Instant::now());
                    }
                });
            }
        }
    }
}

/// Publishes which of the call's files are there and which are missing.
fn tell_prepared(case: &mut Case, files: &Prepared, world: &mut World) {
    if case.over {
        return;
    }
    let call_id = case.grant.about.call_id.clone();
    for (error, why) in &files.missing {
        info!(call_id, name = %error.name.escape_debug(), code = %error.code,
                "evidence cannot be had: {why}");
        let said = Evidence {
            error: Some(&error.code),
            name: Some(&error.name),
            ..Evidence::default()
        };
        case.record(Event::EvidenceFailed, said, "", world);
    }
    let offered = files.manifest.files().len();
    let missing = files.missing.iter();
    let errors: Vec<_> = missing.map(|(error, _)| error.clone()).collect();
    let state = (offered == 0 && !errors.is_empty()).then_some(EvidenceState::Failed);
    let detail = format!("{offered} files ready, {} cannot be had", errors.len());
    case.tell_engine(state, &detail, errors, world);
}

/// A call is over: its page may still ask about a decision, after a restart too.
pub(super) fn end(case: &mut Case, world: &World, now: Instant) {
    case.grant.ended_unix_s = Some(clock::unix_ms() / 1_000);
    if let Err(error) = case.grant.save(&world.settings.dir) {
        warn!("after a restart the page of a call that ended is not known: {error}");
    }
    case.end(now, world.settings.linger);
}
