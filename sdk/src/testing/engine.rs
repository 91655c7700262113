//! A whole job in one thread: maps, sort, reduces.

use super::host::{Pair, Partitioner, Told};
use super::job::{Failure, Outcome, TestJob};
use super::plan::Plan;
use super::plugin::Instance;
use crate::abi::{Descriptor, flags};
use crate::bounds::KeyRanges;
use crate::collect::Collector;
use std::rc::Rc;

pub(super) fn run(plugin: &Descriptor, job: &TestJob, plan: &mut Plan) -> Result<Outcome, Failure> {
    let map_only = plugin.flags & flags::MAP_ONLY != 0;
    let reduces = if map_only { 0 } else { plan.reduces };
    let mut engine = Engine {
        plugin,
        job,
        reduces,
        instance: Instance::create(plugin, &job.args)?,
        bounds: Vec::new(),
        ranges: None,
        outcome: Outcome::default(),
    };
    if plugin.flags & flags::TOTAL_ORDER != 0 {
        engine.cut_order(plan)?;
    }
    let mut pairs = engine.map_all(plan)?;
    // Stable: equal keys stay in the order of the tasks that emitted them.
    pairs.sort_by(|a, b| (a.partition, &a.key).cmp(&(b.partition, &b.key)));
    let mut rest = pairs.as_slice();
    for partition in 0..reduces {
        let count = rest.partition_point(|pair| pair.partition <= partition);
        let (own, others) = rest.split_at(count);
        rest = others;
        engine.reduce(partition, own, plan)?;
    }
    Ok(engine.outcome)
}

struct Engine<'a> {
    plugin: &'a Descriptor,
    job: &'a TestJob,
    reduces: u32,
    instance: Instance<'a>,
    /// Where the partitions of a total order begin, encoded and not.
    bounds: Vec<u8>,
    ranges: Option<Rc<KeyRanges>>,
    outcome: Outcome,
}

impl Engine<'_> {
    /// An instance may have served other attempts before.
    fn renew(&mut self, plan: &mut Plan) -> Result<(), Failure> {
        if plan.once_in(2) {
            self.instance = Instance::create(self.plugin, &self.job.args)?;
        }
        Ok(())
    }

    /// Chooses where the partitions of a total order begin. All keys are the sample.
    fn cut_order(&mut self, plan: &mut Plan) -> Result<(), Failure> {
        let reduces = std::mem::replace(&mut self.reduces, 1);
        let mut keys = Vec::new();
        if reduces > 1 {
            keys.extend(self.map_all(plan)?.into_iter().map(|pair| pair.key));
        }
        keys.sort();
        self.reduces = reduces;
        self.outcome = Outcome::default();
        self.bounds = plan.bounds(&keys);
        let ranges = KeyRanges::decode(&self.bounds, reduces);
        self.ranges = Some(Rc::new(ranges.map_err(|bad| Failure::of_host(bad.to_string()))?));
        Ok(())
    }

    fn partitioner(&self) -> Partitioner {
        self.instance.partitioner(self.ranges.clone())
    }

    fn told(&self, plan: &Plan) -> Told {
        let collects = self.plugin.flags & flags::COLLECTS != 0;
        let collector = (!collects).then(|| Collector::new(plan.memory_bytes));
        Told::new(self.reduces, plan.batch, collector, self.partitioner())
    }

    /// Takes what an attempt has counted into the outcome.
    fn take(&mut self, told: &mut Told) {
        self.outcome.records += told.records;
        self.outcome.runs += told.runs;
        for (name, sum) in std::mem::take(&mut told.counters) {
            *self.outcome.counters.entry(name).or_default() += sum;
        }
    }

    fn map_all(&mut self, plan: &mut Plan) -> Result<Vec<Pair>, Failure> {
        let mut pairs = Vec::new();
        for task in plan.tasks(self.plugin, self.job) {
            self.renew(plan)?;
            let mut told = self.told(plan);
            let (document, bytes) = &self.job.inputs[task.input];
            self.instance.map_begin(&mut told, plan.memory_bytes, &self.bounds)?;
            for block in task.blocks {
                let offset = block.start as u64;
                self.instance.map(&mut told, document, &bytes[block], offset)?;
            }
            self.instance.map_end(&mut told)?;
            if let Some(mut collector) = told.collector.take() {
                collector.finish(&mut told).map_err(|_| Failure::of_host("cannot collect".to_owned()))?;
            }
            self.take(&mut told);
            if self.reduces == 0 {
                self.outcome.outputs.push(told.output);
                continue;
            }
            if !told.output.is_empty() {
                return Err(Failure::of_host("a map wrote output in a job with reduces".to_owned()));
            }
            let mut own = std::mem::take(&mut told.pairs);
            for pair in &own {
                let wanted = self.partitioner().partition(&pair.key, self.reduces);
                if wanted != pair.partition {
                    let (got, key) = (pair.partition, String::from_utf8_lossy(&pair.key));
                    return Err(Failure::of_host(format!("key `{key}` is in partition {got}, not {wanted}")));
                }
            }
            if plan.combines {
                own = self.combine(own, plan)?;
            }
            pairs.append(&mut own);
        }
        Ok(pairs)
    }

    /// Folds all values of a key, as the host may do when it merges runs.
    fn combine(&self, mut pairs: Vec<Pair>, plan: &Plan) -> Result<Vec<Pair>, Failure> {
        pairs.sort_by(|a, b| (a.partition, &a.key).cmp(&(b.partition, &b.key)));
        let mut folded = Vec::new();
        for group in pairs.chunk_by(|a, b| a.key == b.key) {
            let mut told = self.told(plan);
            told.values = group.iter().rev().map(|pair| pair.value.clone()).collect();
            let Some(combined) = self.instance.combine(&mut told, &group[0].key) else { return Ok(pairs) };
            combined?;
            let (partition, key) = (group[0].partition, &group[0].key);
            folded.extend(told.combined.into_iter().map(|value| Pair { partition, key: key.clone(), value }));
        }
        Ok(folded)
    }

    fn reduce(&mut self, partition: u32, pairs: &[Pair], plan: &mut Plan) -> Result<(), Failure> {
        self.renew(plan)?;
        let mut told = self.told(plan);
        self.instance.reduce_begin(&mut told, partition)?;
        let groups: Vec<&[Pair]> = pairs.chunk_by(|a, b| a.key == b.key).collect();
        for batch in groups.chunks(plan.groups) {
            self.instance.reduce(&mut told, batch)?;
        }
        self.instance.reduce_end(&mut told)?;
        self.take(&mut told);
        self.outcome.outputs.push(told.output);
        Ok(())
    }
}
