package judge

import "github.com/batchscore/batchscore/shard"

// Scope says how many images of each chunk count for the limits of a job.
type Scope struct {
	// Images is how many count.
	Images int

	chunks shard.Chunks
	counts []int32 // by chunk; nil if all images count
}

// AllOf returns the scope of a job of which every image counts.
func AllOf(chunks shard.Chunks) Scope { return Scope{Images: chunks.Entries, chunks: chunks} }

// NewOf returns the scope of an increment with that manifest: its new and changed images. Those
// whose rows are copied, or that are scored again, do not count.
func NewOf(chunks shard.Chunks, own *shard.Manifest) (Scope, error) {
	s := Scope{chunks: chunks, counts: make([]int32, chunks.Count())}
	at := shard.NewWalk(own)
	for ; !at.Done; at.Next() {
		if at.Counts() {
			s.counts[at.Index/chunks.Size]++
			s.Images++
		}
	}
	return s, at.Err
}

// Of returns how many images of the chunks that has holds for count.
func (s *Scope) Of(has func(chunk int) bool) int {
	n := 0
	for i := range s.chunks.Count() {
		switch {
		case !has(i):
		case s.counts != nil:
			n += int(s.counts[i])
		default:
			first, last := s.chunks.Range(i)
			n += last - first
		}
	}
	return n
}
