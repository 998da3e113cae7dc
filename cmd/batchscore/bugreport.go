package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/batchscore/batchscore/deploy"
	"github.com/batchscore/batchscore/deploy/shellquote"
	"github.com/batchscore/batchscore/scorer/telemetry/printable"
)

// bugReportFlags say what goes into the archive of doctor --bug-report.
type bugReportFlags struct {
	asked     askedReport
	out, job  string
	logs      []string
	withNames bool
	places    placeFlags
}

func (f *bugReportFlags) register(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.Var(&f.asked, "bug-report", "write an archive to attach to an issue, by default batchscore-bug-report-TIME.tar.gz; "+
		"`FILE` names it, with a space or = in front of it")
	fs.Lookup("bug-report").NoOptDefVal = "true"
	fs.StringVar(&f.out, "out", "", "with --bug-report, add the records of the output folder `OUT`")
	fs.StringVar(&f.job, "job", "", "with --bug-report, add the `FILE` job.yaml, without secrets and the values of its environment")
	fs.StringArrayVar(&f.logs, "logs", nil, "with --bug-report, add the end of the log `FILE`, or of those in a folder; "+
		"repeatable (default those of the newest jobs of 'launch --to local')")
	fs.BoolVar(&f.withNames, "with-names", false, "with --bug-report, do not leave out the names of images")
	f.places.patience = 10 * time.Second
	groupFlags(cmd, "Storage flags", func() { f.places.register(cmd) })
}

// askedReport is the flag --bug-report, which takes a name after = or none: one after a
// space is an argument.
type askedReport struct {
	yes  bool
	file string
}

func (a *askedReport) String() string { return a.file }
func (a *askedReport) Type() string   { return "FILE" }

func (a *askedReport) Set(value string) error {
	switch value {
	case "":
		return errors.New("want the name of a file")
	case "true", "false":
		*a = askedReport{yes: value == "true"}
	default:
		*a = askedReport{yes: true, file: value}
	}
	return nil
}

// refuse returns an error if a flag was given that is for --bug-report.
func (f *bugReportFlags) refuse(cmd *cobra.Command) error {
	for _, name := range []string{"out", "job", "logs", "with-names"} {
		if cmd.Flags().Changed(name) {
			return usagef("--%s is for --bug-report", name)
		}
	}
	return nil
}

// bugReportLimit is how long each part of a report may take.
const bugReportLimit = 30 * time.Second

// run writes the archive, and says what is in it.
func (f *bugReportFlags) run(cmd *cobra.Command, file string, args ...string) error {
	if file != "" && f.asked.file != "" {
		return usagef("two names of files: %s and %s", printable.Field(f.asked.file), printable.Field(file))
	}
	made := time.Now()
	r := &bugReport{made: made}
	file = cmp.Or(file, f.asked.file)
	file = cmp.Or(file, made.UTC().Format("batchscore-bug-report-20060102T150405Z.tar.gz"))
	if err := localOnly("FILE", file); err != nil {
		return err
	}
	if _, err := os.Lstat(file); err == nil {
		return config(fmt.Errorf("%s: there is such a file, which is not replaced; name another one, or none", file))
	}
	ctx, s := cmd.Context(), newScrubber(f.places.credentials)
	// The values that job.yaml makes secret may be anywhere.
	job, jobErr := f.readJob(s)
	r.addOwn(ctx, s, "version.json", "batchscore version --json", "version", "--json")
	r.addOwn(ctx, s, "doctor.txt", "batchscore doctor", append([]string{"doctor"}, args...)...)
	r.addEnvironment(s)
	r.addMachine(s, f.out)
	switch {
	case jobErr != nil:
		r.lack("--job", f.job, s.text(printable.Field(jobErr.Error())))
	case job != "":
		r.add("job.yaml", "the job, without secrets and values of its environment", job)
	}
	if f.out != "" {
		if err := r.addOutput(ctx, s, f); err != nil {
			r.lack("--out", f.out, s.text(printable.Field(err.Error())))
		}
	}
	if len(f.logs) > 0 {
		for _, path := range f.logs {
			r.addLogs(ctx, s, path, f.withNames)
		}
	} else {
		r.addLaunched(ctx, s, f.withNames)
	}
	if !f.withNames {
		r.hideNames(ctx, s, r.output)
		r.leave("names of images", "they are private; --with-names adds the manifest, failed rows and the names in logs. "+
			"What has no ending of an image is found only if it is in the list of images of --out")
	}
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	if err := r.write(file); err != nil {
		return err
	}
	_, err := io.WriteString(cmd.OutOrStdout(), fmt.Sprintf("%s has:\n%sPaths and names of hosts and users are in it. "+
		"Look through it before you send it:\n  tar -xzf %s\nAdd the command that failed and its exit code to the issue.\n",
		printable.Field(file), r.contents(), shellquote.Path(file)))
	if err == nil && len(r.lacks) > 0 {
		err = config(fmt.Errorf("%s was written without %s, which could not be read; \"Left out\" above says why",
			printable.Field(file), strings.Join(r.lacks, ", ")))
	}
	return err
}

// readJob returns the text of job.yaml for a report; "" if none was named.
func (f *bugReportFlags) readJob(s *scrubber) (string, error) {
	if f.job == "" {
		return "", nil
	}
	body, err := deploy.ReadSmall(f.job)
	if err != nil {
		return "", err
	}
	text, err := s.yaml(body, jobShape())
	if err != nil {
		return "", fmt.Errorf("%s is not YAML: %w", f.job, err)
	}
	return text, nil
}

// addOwn adds what a command of this program prints. It is a process of its own: a library
// that ends it does not end the report.
func (r *bugReport) addOwn(ctx context.Context, s *scrubber, name, what string, args ...string) {
	self, err := os.Executable()
	if err != nil {
		r.leave(name, err.Error())
		return
	}
	ctx, cancel := context.WithTimeout(ctx, bugReportLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, self, args...)
	var printed, errs bounded
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = &printed, &errs, time.Second
	err = cmd.Run()
	text := printed.String()
	if said := errs.String(); said != "" || err != nil {
		what += ", which failed"
		text += "\n" + said
		if exit := new(exec.ExitError); !errors.As(err, &exit) || ctx.Err() != nil {
			text += fmt.Sprintf("%v within %v\n", cmp.Or(ctx.Err(), err), bugReportLimit)
		} else {
			text += exit.String() + "\n"
		}
	}
	r.add(name, what, s.text(strings.ToValidUTF8(text, "\uFFFD")))
}

// bounded is a buffer that forgets what is more than mostOfFile bytes.
type bounded struct{ bytes.Buffer }

func (b *bounded) Write(p []byte) (int, error) {
	if room := mostOfFile - b.Len(); room > 0 {
		b.Buffer.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}
