package store

import "context"

// Volatile is a Store where it costs much to have an object outlast a crash of
// the machine.
type Volatile interface {
	Store
	// CreateVolatile is Create, but that a crash of this machine may undo it, or
	// leave the object with other bytes. To every process, on this machine and
	// on others, the object is whole all the same.
	CreateVolatile(ctx context.Context, name string, body []byte) (Object, error)
}

// CreateVolatile creates an object that nobody will miss after a crash of this
// machine, in the cheapest way that st has.
func CreateVolatile(ctx context.Context, st Store, name string, body []byte) (Object, error) {
	if v, ok := st.(Volatile); ok {
		return v.CreateVolatile(ctx, name, body)
	}
	return st.Create(ctx, name, body)
}
