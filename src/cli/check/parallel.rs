//! Work over many items on all processors, with results in the order of the items.

use std::num::NonZero;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Items that a thread takes at a time: enough to make taking them cheap, few enough to end together.
const CHUNK: usize = 32;

/// Stack of a thread, as the main thread has it: manifests and expressions nest.
const STACK: usize = 8 << 20;

/// Fewer items than this are done before anybody could look at a bar.
const WORTH_A_BAR: usize = 500;

/// What `work` makes of each item, in their order. With a text for it, a bar on a terminal tells how far it is.
pub fn map<T: Sync, R: Send>(
    what: Option<&str>,
    items: &[T],
    work: impl Fn(&T) -> R + Sync,
) -> Vec<R> {
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    let threads = threads.min(items.len().div_ceil(CHUNK));
    if threads <= 1 {
        return items.iter().map(work).collect();
    }
    let bar = bar(what, items.len());
    let chunks: Vec<&[T]> = items.chunks(CHUNK).collect();
    let next = AtomicUsize::new(0);
    let run = || {
        let mut done = Vec::new();
        while let Some((at, chunk)) = take(&chunks, &next) {
            done.push((at, chunk.iter().map(&work).collect::<Vec<R>>()));
            bar.inc(chunk.len() as u64);
        }
        done
    };
    let mut done = thread::scope(|scope| {
        let mut workers = Vec::new();
        for _ in 1..threads {
            // A machine that gives no more threads does the work with those it has.
            if let Ok(worker) = thread::Builder::new()
                .stack_size(STACK)
                .spawn_scoped(scope, run)
            {
                workers.push(worker);
            }
        }
        let mut done = run();
        for worker in workers {
            done.extend(worker.join().unwrap_or_else(|panic| resume_unwind(panic)));
        }
        done
    });
    bar.finish_and_clear();
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().flat_map(|(_, results)| results).collect()
}

fn take<'c, T>(chunks: &[&'c [T]], next: &AtomicUsize) -> Option<(usize, &'c [T])> {
    let at = next.fetch_add(1, Ordering::Relaxed);
    chunks.get(at).map(|chunk| (at, *chunk))
}

/// A bar on a terminal, nothing anywhere else.
fn bar(what: Option<&str>, length: usize) -> ProgressBar {
    let Some(what) = what.filter(|_| length >= WORTH_A_BAR) else {
        return ProgressBar::hidden();
    };
    let bar = ProgressBar::with_draw_target(Some(length as u64), ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template("{msg} {bar:40} {pos}/{len}") {
        bar.set_style(style);
    }
    bar.set_message(what.to_owned());
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_the_order_of_the_items() {
        for count in [0, 1, CHUNK, CHUNK + 1, 1_000] {
            let items: Vec<usize> = (0..count).collect();
            let doubled: Vec<usize> = items.iter().map(|n| n * 2).collect();
            assert_eq!(map(None, &items, |n| n * 2), doubled);
        }
    }
}
