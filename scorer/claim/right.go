package claim

import (
	"fmt"
	"strconv"
	"strings"
)

// Right is what one worker at a time may hold a claim on. Rights can be compared
// and used as keys.
type Right struct {
	kind  kind
	chunk int
}

type kind uint8

const (
	onChunk kind = iota
	onDouble
	onEnd
	onPublication
	onDelivery
	onHook
)

// OnChunk is the right to score chunk i.
func OnChunk(i int) Right { return Right{onChunk, i} }

// OnDouble is the right to score chunk i as well, while another worker holds it:
// one idle worker at a time may race a slow one.
func OnDouble(i int) Right { return Right{onDouble, i} }

// OnHook is the right to tell others of event i of the job.
func OnHook(i int) Right { return Right{onHook, i} }

var (
	// OnEnd is the right to check all parts and write _SUCCESS.
	OnEnd = Right{kind: onEnd}
	// OnPublication is the right to put the rows of a retry into the parts. It is
	// claimed in the place of the retry.
	OnPublication = Right{kind: onPublication}
	// OnDelivery is the right to write the rows of a complete job to one file.
	OnDelivery = Right{kind: onDelivery}
)

// Chunk returns the chunk that r is the right to score, and false for every other
// kind of right.
func (r Right) Chunk() (int, bool) { return r.chunk, r.kind == onChunk }

// String names r for logs and errors, such as "chunk 7".
func (r Right) String() string {
	switch r.kind {
	case onChunk:
		return fmt.Sprintf("chunk %d", r.chunk)
	case onDouble:
		return fmt.Sprintf("the race for chunk %d", r.chunk)
	case onEnd:
		return "the end of the job"
	case onDelivery:
		return "the file of the rows"
	case onHook:
		return fmt.Sprintf("event %d of the job", r.chunk)
	}
	return "the publication of a retry"
}

// Names is how one job names its rights in the store.
type Names struct {
	numbered bool
	chunks   int
}

// Named are the names of jobs that record a claim form of 1. They do not depend
// on how many chunks the job has, so a chunk can be claimed before that is known:
//
//	chunk-00007, double-00007, end, publication, delivery, hook-00000
var Named = Names{}

// Numbered are the names of jobs begun before rights had names. Each right is a
// number of at least five digits: i for chunk i, the number of chunks for the
// end, that plus 1+i for the race for chunk i, 1<<31-1 for the publication of a
// retry, 1<<31-2 for the file of the rows, and 1<<31-3-i for event i, of which there are
// at most mostHooks.
func Numbered(chunks int) Names { return Names{numbered: true, chunks: chunks} }

const (
	publicationNumber = 1<<31 - 1
	deliveryNumber    = 1<<31 - 2
	firstHookNumber   = 1<<31 - 3
	mostHooks         = 1 << 20

	chunkPrefix     = "chunk-"
	doublePrefix    = "double-"
	hookPrefix      = "hook-"
	endName         = "end"
	publicationName = "publication"
	deliveryName    = "delivery"
)

// number is the number of r in a job of numbered rights.
func (n Names) number(r Right) int {
	switch r.kind {
	case onChunk:
		return r.chunk
	case onEnd:
		return n.chunks
	case onDouble:
		return n.chunks + 1 + r.chunk
	case onDelivery:
		return deliveryNumber
	case onHook:
		return firstHookNumber - r.chunk
	}
	return publicationNumber
}

// name is the name of r.
func (n Names) name(r Right) string {
	if n.numbered {
		return fmt.Sprintf("%05d", n.number(r))
	}
	switch r.kind {
	case onChunk:
		return fmt.Sprintf("%s%05d", chunkPrefix, r.chunk)
	case onDouble:
		return fmt.Sprintf("%s%05d", doublePrefix, r.chunk)
	case onEnd:
		return endName
	case onDelivery:
		return deliveryName
	case onHook:
		return fmt.Sprintf("%s%05d", hookPrefix, r.chunk)
	}
	return publicationName
}

// chunkNames is a prefix of the names of all chunks, and of as few other names as
// possible.
func (n Names) chunkNames() string {
	if n.numbered {
		return ""
	}
	return chunkPrefix
}

// parse is the inverse of name.
func (n Names) parse(name string) (Right, bool) {
	var r Right
	switch {
	case n.numbered:
		i, err := strconv.Atoi(name)
		switch {
		case err != nil || i < 0:
			return Right{}, false
		case i == publicationNumber:
			r = OnPublication
		case i == deliveryNumber:
			r = OnDelivery
		case i <= firstHookNumber && i > firstHookNumber-mostHooks:
			r = OnHook(firstHookNumber - i)
		case i < n.chunks:
			r = OnChunk(i)
		case i == n.chunks:
			r = OnEnd
		default:
			r = OnDouble(i - n.chunks - 1)
		}
	case name == endName:
		return OnEnd, true
	case name == publicationName:
		return OnPublication, true
	case name == deliveryName:
		return OnDelivery, true
	default:
		digits, ok := strings.CutPrefix(name, chunkPrefix)
		if !ok {
			r.kind = onDouble
			digits, ok = strings.CutPrefix(name, doublePrefix)
		}
		if !ok {
			r.kind = onHook
			digits, ok = strings.CutPrefix(name, hookPrefix)
		}
		i, err := strconv.Atoi(digits)
		if !ok || err != nil || i < 0 {
			return Right{}, false
		}
		r.chunk = i
	}
	return r, n.name(r) == name
}
