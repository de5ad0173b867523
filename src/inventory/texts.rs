//! Every text of a document in one place, so that what must hold of all of them is done to all.

use std::sync::Arc;

use super::model::{Cluster, Host, Org, Sddc, SddcEntry, Task, TaskEntry};
use crate::csp::Scrubber;

/// A document and its texts. A field that is new does not compile before it is thought of here.
pub trait Texts {
    /// Hands each text over, to be changed.
    fn each_text(&mut self, change: &mut dyn FnMut(&mut Option<Box<str>>));

    /// Blanks out held secrets and turns empty texts into `null`.
    fn make_fit_to_show(&mut self, scrubber: &Scrubber) {
        self.each_text(&mut |text| {
            *text = text.take().filter(|it| !it.is_empty()).map(|it| scrubber.scrub(it));
        });
    }
}

type Change<'a> = &'a mut dyn FnMut(&mut Option<Box<str>>);

impl Texts for SddcEntry {
    fn each_text(&mut self, change: Change<'_>) {
        let Self { sddc, clusters, hosts, gaps: _, version: _ } = self;
        let Sddc {
            id: _,
            org_id: _,
            name,
            state,
            provider,
            region,
            deployment_type,
            sddc_type,
            access_state,
            account_link_state,
            version,
            created_at: _,
            updated_at: _,
            expires_at: _,
            created_by,
            cluster_count: _,
            host_count: _,
            hosts_ready: _,
            availability_zones,
            vcenter_url,
            nsx_manager_url,
            vpc_cidr,
            capacity: _,
        } = sddc;
        for text in [
            name,
            state,
            provider,
            region,
            deployment_type,
            sddc_type,
            access_state,
            account_link_state,
            version,
            created_by,
            vcenter_url,
            nsx_manager_url,
            vpc_cidr,
        ] {
            change(text);
        }
        each(availability_zones, change);
        for cluster in clusters {
            of_cluster(cluster, change);
        }
        for host in hosts {
            of_host(host, change);
        }
    }
}

fn of_cluster(cluster: &mut Cluster, change: Change<'_>) {
    let Cluster {
        id,
        sddc_id: _,
        name,
        state,
        availability_zones,
        host_count: _,
        instance_type,
        vsan_version,
        hyper_threading: _,
        capacity: _,
    } = cluster;
    for text in [name, state, instance_type, vsan_version] {
        change(text);
    }
    each(availability_zones, change);
    shared(id, change);
}

fn of_host(host: &mut Host, change: Change<'_>) {
    let Host {
        id,
        sddc_id: _,
        cluster_id,
        name,
        hostname,
        state,
        instance_type,
        availability_zone,
        state_updated_at: _,
    } = host;
    for text in [id, name, hostname, state, instance_type, availability_zone] {
        change(text);
    }
    shared(cluster_id, change);
}

impl Texts for Org {
    fn each_text(&mut self, change: Change<'_>) {
        let Self { id: _, name, display_name, state, kind, created_at: _, updated_at: _ } = self;
        for text in [name, display_name, state, kind] {
            change(text);
        }
    }
}

impl Texts for Vec<Org> {
    fn each_text(&mut self, change: Change<'_>) {
        for org in self {
            org.each_text(change);
        }
    }
}

impl Texts for TaskEntry {
    fn each_text(&mut self, change: Change<'_>) {
        let Task {
            id: _,
            org_id: _,
            sddc_id: _,
            kind,
            status,
            sub_status,
            phase,
            progress_percent: _,
            estimated_remaining_minutes: _,
            started_at: _,
            ended_at: _,
            created_by,
            parent_task_id: _,
            error,
        } = &mut self.task;
        for text in [kind, status, sub_status, phase, created_by, error] {
            change(text);
        }
    }
}

/// Elements that become `null` are dropped.
fn each(texts: &mut Option<Vec<Box<str>>>, change: Change<'_>) {
    if let Some(texts) = texts {
        let changed = std::mem::take(texts).into_iter().filter_map(|text| {
            let mut text = Some(text);
            change(&mut text);
            text
        });
        *texts = changed.collect();
    }
}

/// What has not changed stays shared.
fn shared(text: &mut Option<Arc<str>>, change: Change<'_>) {
    let mut own: Option<Box<str>> = text.as_deref().map(Box::from);
    change(&mut own);
    if own.as_deref() != text.as_deref() {
        *text = own.map(Arc::from);
    }
}
