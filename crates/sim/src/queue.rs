//! What is still to happen, in the order of (time, sequence number); nothing else orders it.
//!
//! The heap holds small keys; what they stand for waits in numbered slots, so that nothing large is
//! moved about.

use core::cmp::Reverse;
use keepair_core::time::Time;
use std::collections::BinaryHeap;

/// Low bits of a key's second word: the slot. The bits above count.
const SLOT_BITS: u32 = 20;

/// Events of a kind, each at its time.
#[derive(Clone, Debug)]
pub(crate) struct Queue<E> {
    heap: BinaryHeap<Reverse<(Time, u64)>>,
    slots: Vec<Option<E>>,
    free: Vec<usize>,
    sequence: u64,
}

impl<E> Queue<E> {
    pub(crate) fn new() -> Self {
        Queue { heap: BinaryHeap::new(), slots: Vec::new(), free: Vec::new(), sequence: 0 }
    }

    /// Puts an event in, behind all others of that time.
    pub(crate) fn push(&mut self, at: Time, event: E) {
        let slot = match self.free.pop() {
            Some(slot) => slot,
            None => {
                self.slots.push(None);
                self.slots.len() - 1
            }
        };
        debug_assert!(slot < 1 << SLOT_BITS);
        self.slots[slot] = Some(event);
        self.sequence += 1;
        self.heap.push(Reverse((at, self.sequence << SLOT_BITS | slot as u64)));
    }

    /// When the next one happens.
    pub(crate) fn next_at(&self) -> Option<Time> {
        self.heap.peek().map(|Reverse((at, _))| *at)
    }

    /// Takes the next one out.
    pub(crate) fn pop(&mut self) -> Option<(Time, E)> {
        let Reverse((at, key)) = self.heap.pop()?;
        let slot = (key & ((1 << SLOT_BITS) - 1)) as usize;
        self.free.push(slot);
        self.slots[slot].take().map(|event| (at, event))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_out_by_time_and_then_in_the_order_they_were_put_in() {
        let mut queue = Queue::new();
        for (at, name) in [(5, "c"), (3, "a"), (5, "d"), (3, "b")] {
            queue.push(Time(at), name);
        }
        assert_eq!(queue.next_at(), Some(Time(3)));
        let out: Vec<_> = std::iter::from_fn(|| queue.pop()).map(|(_, name)| name).collect();
        assert_eq!(out, ["a", "b", "c", "d"]);
        queue.push(Time(1), "e");
        assert_eq!(queue.pop(), Some((Time(1), "e")), "a freed slot serves again");
        assert_eq!(queue.pop(), None);
    }
}
