package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"time"

	"github.com/spf13/cobra"

	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/review/serve"
	"github.com/batchscore/batchscore/scorer/review/thumbnail"
	"github.com/batchscore/batchscore/scorer/store"
)

// viewFlags are the flags of view.
type viewFlags struct {
	places   placeFlags
	images   recordedImages
	noImages bool
	listen   string
	others   bool
	every    time.Duration
}

func newView() *cobra.Command {
	f := viewFlags{listen: "127.0.0.1:0", every: 2 * time.Second}
	cmd := &cobra.Command{
		Use:   "view OUT",
		Short: "Serve a live page of a job: progress, labels, failures, images",
		Long: `view serves a page about an output while its job runs, and afterwards: progress, rate and
ranks, how many images have which label and score, failures as they come, and the images
themselves with their scores, chosen by status, label, score and name. It prints the
address to open and serves until it is stopped with Ctrl-C, which is not an error. It only
reads. OUT need not exist yet. Of an output that keeps rows of others, as run --after
makes, it shows the rows of all images once it is complete, and its own until then.

The page is for this machine: view listens on the loopback address, and who opens the page
needs the token in the address. To see the page of a machine elsewhere, choose a port with
--listen and make a tunnel with the same port at both ends: ssh -L 8090:127.0.0.1:8090
HOST. With --allow-other-machines, --listen takes other addresses: whoever can read the
traffic on the way then sees the token and the images, because it is plain HTTP.

The output is looked at while somebody has the page open, at most once in --every, however
many they are. Pictures are made of images, so the images must be within reach: where they
were for the job, or at --images. Images that are links out of that place are not shown,
unless --follow-links is given.
'jobs status --watch' is for terminals.

` + placesHelp,
		Example: `  batchscore view result
  batchscore view az://acme/labels/2019 --listen 127.0.0.1:8090
  batchscore view result --images /mnt/copy-of-the-images`,
		Args: oneArg("OUT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.run(cmd.Context(), args[0], cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	fs := cmd.Flags()
	f.images.register(cmd, "show the images at `PLACE`, "+placeKinds+" (default where the job read them)")
	fs.BoolVar(&f.noImages, "no-images", false, "show no images")
	fs.StringVar(&f.listen, "listen", f.listen, "serve at `ADDRESS`; port 0 takes any that is free")
	fs.BoolVar(&f.others, "allow-other-machines", false, "let --listen take an address that other machines reach, over plain HTTP")
	fs.DurationVar(&f.every, "every", f.every, "look at the output at most once per `DURATION`")
	groupFlags(cmd, "Storage flags", func() { f.places.register(cmd) })
	return cmd
}

// check returns what is wrong with the flags.
func (f *viewFlags) check() error {
	host, _, err := splitAddress("listen", f.listen)
	if err != nil {
		return err
	}
	at, err := netip.ParseAddr(host)
	loopback := host == "localhost" || err == nil && at.IsLoopback()
	switch {
	case f.listen == "":
		return invalid("listen", f.listen, "HOST:PORT, such as 127.0.0.1:0")
	case !loopback && !f.others:
		return usagef("--listen %q: other machines may reach this address; if they are to see the page, over plain HTTP, add --allow-other-machines", f.listen)
	case f.every < 100*time.Millisecond:
		return usagef("--every %v: more often than every 0.1s is too often for the storage", f.every)
	case f.noImages && (f.images.place != "" || f.images.follow):
		return usagef("--no-images shows no images: leave out --images and --follow-links")
	}
	return nil
}

// run serves until ctx ends. That is not an error.
func (f *viewFlags) run(ctx context.Context, out string, stdout, stderr io.Writer) error {
	if err := f.check(); err != nil {
		return err
	}
	st, err := f.places.open("OUT", out)
	if err != nil {
		return err
	}
	if err := began(ctx, st, stderr); err != nil {
		return err
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", f.listen)
	if err != nil {
		return config(fmt.Errorf("--listen: %w", err))
	}
	if f.others {
		sayError(stderr, "warning: other machines can open this page over plain HTTP; whoever can read the traffic on the way sees the token and the images")
	}
	server := serve.New(l, serve.Options{
		Out: st, Every: f.every, OtherMachines: f.others, Clean: redact,
		Images: func(job *output.Job) (serve.Images, error) { return f.openImages(job, out) },
	})
	if _, err := fmt.Fprintln(stdout, server.Address()); err != nil {
		_ = l.Close()
		return err
	}
	return server.Serve(ctx)
}

// began returns an error if a place holds something else than an output. One that holds nothing
// yet is only a remark.
func began(ctx context.Context, st store.Store, stderr io.Writer) error {
	_, err := output.ExistingJob(ctx, st)
	if !errors.Is(err, store.ErrNotExist) {
		return err
	}
	found := errors.New("there is an object")
	if listErr := st.List(ctx, "", func(store.Object) error { return found }); errors.Is(listErr, found) {
		return err
	}
	sayError(stderr, fmt.Sprintf("%v; the page shows the job once it has begun", err))
	return nil
}

// openImages opens the place of the images of a job.
func (f *viewFlags) openImages(job *output.Job, out string) (serve.Images, error) {
	if f.noImages {
		return serve.Images{}, errors.New("view was started with --no-images")
	}
	images, err := f.images.open(f.places, job, out)
	if err != nil {
		return serve.Images{}, err
	}
	return serve.Images{Store: images.store, Copies: images.copies,
		Pictures: thumbnail.Options{Decode: images.decode, IgnoreOrientation: images.ignoreOrientation}}, nil
}
