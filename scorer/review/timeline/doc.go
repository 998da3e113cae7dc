// Package timeline finds who did what when in a job, from its output alone: the claims of
// chunks, the times of parts, and what workers reported when they ended.
//
// All times are by the store's clock. What these cannot say is left out, and Notes says so:
// which of two workers that raced for a chunk committed it, or what a process that was killed
// did after its last sign.
package timeline
