package deploy

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// TestFollowLog writes a log piece by piece, one before each look.
func TestFollowLog(t *testing.T) {
	const notYet = "-"
	for _, test := range []struct {
		name   string
		pieces []string
		want   []string
	}{
		{name: "no file", pieces: []string{notYet, notYet}},
		{name: "at once", pieces: []string{"one\ntwo\n"}, want: []string{"one\n", "two\n"}},
		{name: "begins later", pieces: []string{notYet, "one\n", "two\n"}, want: []string{"one\n", "two\n"}},
		{name: "torn lines", pieces: []string{"o", "ne\ntw", "o\n"}, want: []string{"one\n", "two\n"}},
		{name: "last line without an end", pieces: []string{"one\nt", "wo"}, want: []string{"one\n", "two"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "log")
			looks := 0
			ended := func(context.Context) (bool, error) {
				if piece := test.pieces[looks]; piece != notYet {
					f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
					if err != nil {
						return false, err
					}
					_, err = f.WriteString(piece)
					if err := errors.Join(err, f.Close()); err != nil {
						return false, err
					}
				}
				looks++
				return looks == len(test.pieces), nil
			}
			var lines []string
			err := FollowLog(t.Context(), path, time.Millisecond, ended, func(line []byte) error {
				lines = append(lines, string(line))
				return nil
			})
			if err != nil || !slices.Equal(lines, test.want) {
				t.Errorf("FollowLog passed on %q, %v; want %q", lines, err, test.want)
			}
		})
	}
}

func TestFollowLogEndsWithAnError(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(path, []byte("one\ntwo\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	full := errors.New("disk full")
	never := func(context.Context) (bool, error) { return false, nil }
	if err := FollowLog(t.Context(), path, time.Hour, never, func([]byte) error { return full }); !errors.Is(err, full) {
		t.Errorf("FollowLog: %v, want %v", err, full)
	}
	unknown := func(context.Context) (bool, error) { return false, ErrNoJob }
	if err := FollowLog(t.Context(), path, time.Hour, unknown, func([]byte) error { return nil }); !errors.Is(err, ErrNoJob) {
		t.Errorf("FollowLog: %v, want %v", err, ErrNoJob)
	}
}
