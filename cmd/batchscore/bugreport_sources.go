package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/batchscore/batchscore/deploy"
	"github.com/batchscore/batchscore/deploy/local"
	"github.com/batchscore/batchscore/models/device"
	"github.com/batchscore/batchscore/scorer/store/atomicfile"
	"github.com/batchscore/batchscore/scorer/telemetry/printable"
)

// shownVariables match the variables whose values a report shows. Of credentials and
// proxies it says only that they are set, of others nothing.
var shownVariables = regexp.MustCompile(`^(` +
	`ONNXRUNTIME_LIB|LIBTURBOJPEG|NVIMGCODEC_LIB|LD_LIBRARY_PATH|LD_PRELOAD|PATH|TMPDIR|NO_COLOR|TERM|COLUMNS|LANG|LC_ALL|LC_CTYPE|TZ|` +
	`BATCHSCORE_(CACHE|MODELS|SERVICE|WORLD|JOB|RUN|GPU_ROOT)|AZURE_STORAGE_(ACCOUNT|SERVICE_ENDPOINT)|` +
	`CUDA_VISIBLE_DEVICES|CUDA_DEVICE_ORDER|NVIDIA_(VISIBLE_DEVICES|DRIVER_CAPABILITIES|TF32_OVERRIDE)|CUDA_(CACHE_DISABLE|MODULE_LOADING)|` +
	`GO(MAXPROCS|MEMLIMIT|GC|DEBUG|TRACEBACK)|(OMP|MKL|OPENBLAS)_NUM_THREADS|OMP_(PROC_BIND|PLACES)|KMP_AFFINITY|MALLOC_ARENA_MAX|` +
	`OMPI_COMM_WORLD_(RANK|SIZE|LOCAL_RANK|LOCAL_SIZE)|PMI_(RANK|SIZE)|MPI_(LOCALRANKID|LOCALNRANKS)|RANK|WORLD_SIZE|LOCAL_RANK|LOCAL_WORLD_SIZE|` +
	`SLURM_(PROCID|NTASKS|LOCALID|NODEID|STEP_ID|JOB_NUM_NODES|NNODES|STEP_TASKS_PER_NODE|CPUS_PER_TASK|MEM_PER_NODE|MEM_PER_CPU|GPUS_PER_TASK)|` +
	`JOB_COMPLETION_INDEX|KUBERNETES_SERVICE_PORT|XDG_(STATE_HOME|CONFIG_HOME|CACHE_HOME))$`)

// namedVariables match further variables of which a report says that they are set.
var namedVariables = regexp.MustCompile(`^(AZURE_|BATCHSCORE_|OMPI_|PMI|SLURM_|CUDA_|NVIDIA_)|^(?i:(HTTPS?|NO|ALL)_PROXY)$`)

func showsValue(name string) bool { return shownVariables.MatchString(name) }

func (r *bugReport) addEnvironment(s *scrubber) {
	var lines []string
	others := 0
	for _, v := range os.Environ() {
		name, value, _ := strings.Cut(v, "=")
		secret := slices.Contains(secretVariables(), name) || secretName.MatchString(name)
		switch {
		case showsValue(name) && !secret:
			lines = append(lines, name+"="+printable.Field(value))
		case namedVariables.MatchString(name) || slices.Contains(secretVariables(), name):
			lines = append(lines, printable.Field(name)+" is set, to what is not shown")
		default:
			others++
		}
	}
	slices.Sort(lines)
	r.add("environment.txt", "variables that batchscore and its libraries read", s.text(strings.Join(lines, "\n")+"\n"))
	r.leave("environment", fmt.Sprintf("%d other variables, and the values of credentials and proxies", others))
}

// machineFiles are what the kernel and the distribution say of the machine.
var machineFiles = []struct{ path, lines string }{
	{path: "/etc/os-release", lines: `^(PRETTY_NAME|ID|VERSION_ID)=`},
	{path: "/proc/version"},
	{path: "/proc/meminfo", lines: `^(MemTotal|MemFree|MemAvailable|Swap|Dirty|Writeback|Huge|Shmem)`},
	{path: "/proc/loadavg"},
	{path: "/proc/pressure/memory"},
	{path: "/proc/pressure/io"},
	{path: "/proc/self/limits"},
	{path: "/proc/self/cgroup"},
	{path: "/proc/sys/vm/overcommit_memory"},
	{path: "/proc/driver/nvidia/version"},
	{path: "/proc/cpuinfo", lines: `^(model name|flags|Features|CPU (implementer|part))\s*:`},
}

func (r *bugReport) addMachine(s *scrubber, out string) {
	var b strings.Builder
	fmt.Fprintf(&b, "processor: %s\ncores: %s\nglibc: %s\n", device.Processor(), cores().state, glibc())
	for _, folder := range []string{".", os.TempDir(), out} {
		var st unix.Statfs_t
		if folder != "" && isLocal(folder) && unix.Statfs(folder, &st) == nil {
			fmt.Fprintf(&b, "file system of %s: type %#x, %s of %s free\n", folder, st.Type,
				formatBytes(int64(st.Bavail)*st.Bsize), formatBytes(int64(st.Blocks)*st.Bsize))
		}
	}
	for _, file := range machineFiles {
		chosen := regexp.MustCompile(file.lines)
		seen := map[string]bool{}
		for line := range strings.Lines(readStart(file.path)) {
			// Processors are alike: each line is shown once.
			if chosen.MatchString(line) && !seen[line] {
				if len(seen) == 0 {
					fmt.Fprintf(&b, "\n%s\n", file.path)
				}
				seen[line] = true
				b.WriteString(line)
			}
		}
	}
	fmt.Fprintf(&b, "\ncontrol groups\n%s", device.ControlGroups())
	r.add("machine.txt", "kernel, libraries, processor, memory, limits, control groups", s.text(printable.Text(b.String())))
}

// readStart returns the beginning of a file; "" if it cannot be read.
func readStart(path string) string {
	f, err := atomicfile.OpenRegular(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	body, _ := io.ReadAll(io.LimitReader(f, mostOfFile))
	return string(body)
}

// glibc returns the version of the C library of this process.
func glibc() string {
	for line := range strings.Lines(readStart("/proc/self/maps")) {
		fields := strings.Fields(line)
		path := fields[len(fields)-1]
		if !strings.HasPrefix(filepath.Base(path), "libc.so") && !strings.HasPrefix(filepath.Base(path), "libc-") {
			continue
		}
		f, err := atomicfile.OpenRegular(path)
		if err != nil {
			return path
		}
		defer f.Close()
		body, _ := io.ReadAll(io.LimitReader(f, 8<<20))
		if found := regexp.MustCompile(`release version (\d+\.\d+)`).FindSubmatch(body); found != nil {
			return string(found[1])
		}
		return path
	}
	return "not loaded"
}

// addLogs adds the end of a log, or of the logs in a folder and the folders in it.
func (r *bugReport) addLogs(ctx context.Context, s *scrubber, path string, names bool) {
	info, err := os.Stat(path)
	if err == nil && !info.IsDir() {
		f, openErr := atomicfile.OpenRegular(path)
		if err = r.addLog(ctx, s, f, openErr, "logs/"+entryName(filepath.Base(path)), names); err == nil {
			return
		}
	}
	if err == nil {
		err = r.addFolder(ctx, s, path, entryName(filepath.Base(path)), names, nil)
	}
	if err != nil {
		r.lack("--logs", path, reason(s, err))
	}
}

// addFolder adds the ends of the regular files in a folder that somebody else may write to.
// No link is followed. If only is not nil, it names those that count.
func (r *bugReport) addFolder(ctx context.Context, s *scrubber, path, as string, names bool, only []string) error {
	root, err := os.OpenRoot(path)
	if err != nil {
		return err
	}
	defer root.Close()
	taken, others := 0, 0
	defer func() {
		if others > 0 {
			r.leave(printable.Field(path), fmt.Sprintf("%d files that are not texts", others))
		}
	}()
	return fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		shown := printable.Field(filepath.Join(path, name))
		switch {
		case err != nil:
			r.leave(shown, reason(s, err))
			return nil
		case d.IsDir():
			if strings.Count(name, "/") > 1 {
				return fs.SkipDir
			}
			return nil
		case only != nil && !slices.Contains(only, name):
			return nil
		case !d.Type().IsRegular():
			r.leave(shown, "not a regular file")
			return nil
		case taken == mostLogs:
			r.leave(printable.Field(path), fmt.Sprintf("all but the first %d files", mostLogs))
			return fs.SkipAll
		}
		f, err := atomicfile.OpenRegularIn(root, name)
		if err == nil {
			// Between the two looks it may have become a link within the folder.
			if now, lerr := root.Lstat(name); lerr != nil || !now.Mode().IsRegular() {
				_ = f.Close()
				err = atomicfile.ErrIrregular
			}
		}
		err = r.addLog(ctx, s, f, err, "logs/"+as+"/"+entryName(name), names)
		switch {
		case errors.Is(err, errNotText):
			others++
		case err != nil:
			r.leave(shown, reason(s, err))
		default:
			taken++
		}
		return nil
	})
}

// addLog adds the end of a log. err is that of opening it.
func (r *bugReport) addLog(ctx context.Context, s *scrubber, f *os.File, err error, name string, names bool) error {
	if err != nil {
		return err
	}
	defer f.Close()
	text, cut, err := tail(ctx, f)
	if err != nil {
		return err
	}
	what := "a log"
	if cut {
		what = fmt.Sprintf("the last %s of a log", formatBytes(mostOfFile))
	}
	for i := 2; slices.ContainsFunc(r.files, func(f reportFile) bool { return f.name == name }); i++ {
		name = fmt.Sprintf("%s.%d", strings.TrimSuffix(name, fmt.Sprintf(".%d", i-1)), i)
	}
	r.add(name, what, s.named(text, names))
	return nil
}

// newestJobs is of how many jobs the logs are taken.
const newestJobs = 3

// addLaunched adds the records of the newest jobs that were launched from this machine, and
// the logs of those on this machine.
func (r *bugReport) addLaunched(ctx context.Context, s *scrubber, names bool) {
	book, err := openBook()
	if err != nil {
		r.leave("launched jobs", reason(s, err))
		return
	}
	all, damaged := book.List()
	if damaged != nil {
		r.leave("records of launched jobs", reason(s, damaged))
	}
	folder, err := deploy.StateFolder(local.Name)
	for _, j := range all[:min(len(all), newestJobs)] {
		body, readErr := deploy.ReadSmall(filepath.Join(book.String(), j.ID+".yaml"))
		if readErr == nil {
			var text string
			if text, readErr = s.yaml(body, recordShape()); readErr == nil {
				r.add("jobs/"+j.ID+".yaml", "the record of a launched job", text)
			}
		}
		if readErr != nil {
			r.leave("the record of the job "+j.ID, reason(s, readErr))
		}
		if j.Engine != local.Name || err != nil {
			continue
		}
		if err := r.addFolder(ctx, s, filepath.Join(folder, j.ID), j.ID, names, local.Logs); err != nil {
			r.leave("the log of the job "+j.ID, reason(s, err))
		}
	}
	if more := len(all) - newestJobs; more > 0 {
		r.leave("older jobs", fmt.Sprintf("%d; --logs names the log of one", more))
	}
}

// reason returns the first line of an error, without secrets.
func reason(s *scrubber, err error) string {
	if p, ok := err.(*fs.PathError); ok && p.Err == syscall.ELOOP { //nolint:errorlint // the outermost error is of interest
		return "it is a link"
	}
	return s.text(printable.Field(firstLine(err.Error())))
}
