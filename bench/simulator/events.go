package simulator

// kind is the kind of an event.
type kind uint8

const (
	feed    kind = iota // a rank may claim a chunk
	commit              // a chunk of a rank is committed
	leave               // a node is taken away
	back                // another node replaces it
	release             // others may take the chunk of a rank that is gone
)

type event struct {
	at   float64
	seq  uint64 // of two events at the same time, the one created first is first
	kind kind
	id   int // of the rank, or of the node
	// version shows that an event is void, because the rank's plans have changed.
	version uint32
	hold    *hold
}

type queue []event

func (q queue) Len() int { return len(q) }
func (q queue) Less(i, j int) bool {
	return q[i].at < q[j].at || q[i].at == q[j].at && q[i].seq < q[j].seq
}
func (q queue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *queue) Push(x any)   { *q = append(*q, x.(event)) }
func (q *queue) Pop() any {
	old := *q
	last := old[len(old)-1]
	*q = old[:len(old)-1]
	return last
}
