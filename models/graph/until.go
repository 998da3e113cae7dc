package graph

import (
	"context"
	"io"
)

// Until returns a writer to w that fails once ctx has ended, because a model may take
// long to write.
func Until(ctx context.Context, w io.Writer) io.Writer { return contextWriter{ctx, w} }

type contextWriter struct {
	ctx context.Context //nolint:containedctx // a writer that lives for one call
	w   io.Writer
}

func (c contextWriter) Write(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.w.Write(p)
}
