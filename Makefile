# The two main commands are make demo and make test. make help lists all.

SHELL := /usr/bin/env bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

CACHE := $(abspath $(or $(BATCHSCORE_CACHE),.cache))
LIBRARY := $(or $(ONNXRUNTIME_LIB),$(CACHE)/onnxruntime/libonnxruntime.so.1)

# Files that measuring writes do not count as changes of what is measured.
COMMIT := $(shell commit=$$(git rev-parse HEAD 2>/dev/null) && echo "$$commit$$(git diff --quiet HEAD -- \
	':!bench/testdata' ':!docs/charts' ':!BENCHMARKS.md' || echo +modified)")
VERSION := $(shell git describe --tags --always 2>/dev/null || echo dev)$(if $(findstring +,$(COMMIT)),-dirty)

# Go records the commit neither in tests nor in what "go run" runs.
STAMP := -X=github.com/batchscore/batchscore/bench/result.stamped=$(COMMIT)
bench go-bench bench-peers: export GOFLAGS := $(shell go env GOFLAGS 2>/dev/null) -ldflags=$(STAMP)

# The linter comes through the Go module proxy, verified by the checksum database.
# Building it takes about two minutes on two cores, once.
GOLANGCI := go run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0

# It gives the scripts in workflows to shellcheck, where there is one.
ACTIONLINT := go run github.com/rhysd/actionlint/cmd/actionlint@v1.7.12

FUZZTIME ?= 30s
BENCH ?= .
BENCHTIME ?= 1s
RANKS ?= 2
ROUNDS ?= 50
PEERROUNDS ?= 6
CHAOS ?= 10m

# The binary and the tests read these variables; values of the caller take precedence.
export BATCHSCORE_CACHE := $(CACHE)
export ONNXRUNTIME_LIB

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/\1\t\2/' | \
		while IFS=$$'\t' read -r name what; do printf '  %-17s %s\n' "$$name" "$$what"; done

.PHONY: deps
deps: ## fetch ONNX Runtime, the model, sample images and Azurite; install missing Debian packages
	@deploy/deps/fetch.sh

# Only tests need these; Python and pip fetch them.
.PHONY: test-deps
test-deps: deps ## fetch in addition what the tests of GPU code need, on x86-64 (580 MB; installs python3-pip)
	@deploy/deps/fetch.sh cudatest nvimgcodec
	@deploy/deps/fetch.sh monitoring imagenet decoders

# CUDA=cuda12 or CUDA=cuda13 fetches the libraries for another machine than this one.
.PHONY: deps-gpu
deps-gpu: ## fetch ONNX Runtime for NVIDIA's GPUs, with CUDA and cuDNN (2 GB; CUDA=cuda12 or cuda13)
	@deploy/deps/fetch.sh gpu $(CUDA)

.PHONY: build
build: ## build bin/batchscore
	go build -trimpath -ldflags '-X=main.version=$(VERSION) $(STAMP)' -o bin/batchscore ./cmd/batchscore

MODEL := $(CACHE)/models/classification.onnx
ARCHIVE := $(CACHE)/nsfwjs-4.4.0.tgz

# The model is made again when its archive or the code that reads it has changed.
MODEL_SOURCES := $(ARCHIVE) models/tfjs/*.go models/graph/*.go models/onnxfile/*.go models/*.go

.PHONY: demo
demo: demo-says build ## score 26 sample images on two ranks, and say what came of it
	@deploy/deps/fetch.sh system runtime model demo
	@$(MAKE) --no-print-directory demo-model
	@if [ -d demo-out/_batchscore ]; then rm -rf demo-out; fi
	bin/batchscore launch --to local -n $(RANKS) -- \
		--images '$(CACHE)/demo' --out demo-out --model '$(MODEL)' --log-level warn --max-errors 3
	@bin/batchscore report demo-out -o demo-report.html --force >/dev/null && echo 'Look at    $(CURDIR)/demo-report.html'

.PHONY: demo-model
demo-model: build
	@deploy/deps/fetch.sh model
	@made=$$(cat $(MODEL_SOURCES) | sha256sum | cut -d' ' -f1); \
	if [ ! -f '$(MODEL)' ] || [ "$$(cat '$(MODEL).stamp' 2>/dev/null)" != "$$made" ]; then \
		mkdir -p '$(dir $(MODEL))'; \
		bin/batchscore models import '$(ARCHIVE)' --path dist/models/inception_v3 -o '$(MODEL)'; \
		echo "$$made" >'$(MODEL).stamp'; \
	fi

NFPM := go run github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.43.0

# The tag of a release is v1.2.0, that of a candidate v1.2.0-rc.1.
DESCRIBE := $(shell git describe --tags --match 'v[0-9]*' --always --abbrev=12 2>/dev/null)$(if $(findstring +,$(COMMIT)),-dirty)
DIST ?= dist

.PHONY: dist
dist: ## build the packages of a release into DIST, for x86-64 and arm64: an archive, a .deb and a wheel of each
	@deploy/deps/fetch.sh packages cross
	deploy/dist/build.sh '$(DIST)' '$(DESCRIBE)' '$(COMMIT)' '$(CACHE)/packages' $(NFPM)

# UBUNTU_MIRROR and UBUNTU_KEYRING: see deploy/dist/check.sh.
SUITES ?= bookworm trixie arm64 $(if $(UBUNTU_MIRROR),ubuntu/jammy ubuntu/noble)

.PHONY: dist-check
dist-check: ## install the packages of DIST in fresh roots of SUITES, score there, and remove them; as root (UBUNTU_MIRROR)
	@deploy/deps/fetch.sh model demo emulator
	@command -v debootstrap >/dev/null && [ -e /usr/aarch64-linux-gnu/lib/libstdc++.so.6 ] || \
		{ apt-get -qq update && apt-get -qq install -y --no-install-recommends debootstrap libstdc++6-arm64-cross >/dev/null; }
	@$(MAKE) --no-print-directory demo-model
	deploy/dist/check.sh '$(CACHE)/dist-roots' '$(DIST)' '$(MODEL)' '$(CACHE)/demo' $(SUITES)

.PHONY: gpu-check
gpu-check: build ## check on a machine with GPUs what is claimed of them, and write gpu-report (ten minutes; GPU_CHECK has more flags)
	@deploy/deps/fetch.sh system gpu photos samples
	@$(MAKE) --no-print-directory demo-model
	bin/batchscore gpu-check --model '$(MODEL)' --images '$(CACHE)/images' $(GPU_CHECK)

GPU_ARCHIVE ?= batchscore-gpu-check.tar.gz

# CUDA=cuda13 packs the newer libraries; SLIM=slim packs none of CUDA and cuDNN.
.PHONY: gpu-archive
gpu-archive: CUDA := $(or $(CUDA),cuda12)
gpu-archive: build ## pack all that gpu-check needs into GPU_ARCHIVE, for a machine without network (CUDA, SLIM=slim)
	@deploy/deps/fetch.sh system gpu '$(CUDA)' photos samples
	@$(MAKE) --no-print-directory demo-model
	bench/gpucheck/travel/archive.sh '$(GPU_ARCHIVE)' bin/batchscore '$(CACHE)/onnxruntime-gpu/$(CUDA)' '$(MODEL)' '$(CACHE)/images' $(SLIM)

.PHONY: gpu-busy
gpu-busy: build ## measure how busy a simulated GPU is kept, over the stand-in for CUDA (minutes; GPU_BUSY has flags)
	@deploy/deps/fetch.sh system cudatest
	go run ./models/ort/cudatest/busy -batchscore bin/batchscore $(GPU_BUSY)

.PHONY: demo-says
demo-says:
	@echo 'The demo scores 26 images with a model for image moderation, which finds pictures that not everybody should see. All of these are harmless.'

.PHONY: test
test: test-deps format-check tidy-check vet cross-check lint generate-check cpus-short ## run everything that CI checks, under the race detector
	@# -count=1: a cached result may come from another state of the machine.
	@# -vet=off: the target vet has done so.
	@# GORACE: by default the race detector lets every process sleep for a second at
	@# its end, and the tests start hundreds of processes.
	ONNXRUNTIME_LIB='$(LIBRARY)' GORACE='atexit_sleep_ms=0 $(GORACE)' go test -race -count=1 -vet=off -timeout 40m -json ./... | \
		go run ./deploy/testlog $(if $(filter true,$(CI)),-no-skips)

REVIEW := $(CACHE)/review
REVIEW_TOOLS := scorer/review/export/testdata/tools

.PHONY: review-tools-check
review-tools-check: ## read exports with pycocotools, datumaro, datasets, FiftyOne and, with TORCH=1, ultralytics (1.5 GB of disk; 6 GB more)
	@for name in tools $(if $(TORCH),torch); do \
		test -x '$(REVIEW)'/$$name/bin/python || python3 -m venv '$(REVIEW)'/$$name; \
		'$(REVIEW)'/$$name/bin/pip install --quiet --disable-pip-version-check --require-hashes --no-deps \
			-r $(REVIEW_TOOLS)/$$name.txt || exit 1; \
	done
	BATCHSCORE_REVIEW_TOOLS='$(REVIEW)/tools/bin/python' BATCHSCORE_REVIEW_TORCH='$(if $(TORCH),$(REVIEW)/torch/bin/python)' \
		go test -count=1 -timeout 20m -run '^TestTools$$' -v ./scorer/review/export

.PHONY: review-annotation-check
review-annotation-check: deps ## import exports in a Label Studio server, Datumaro and the SDK of CVAT, and take back what they export (1.6 GB of disk)
	@for name in studio cvat; do \
		test -x '$(REVIEW)'/$$name/bin/python || python3 -m venv '$(REVIEW)'/$$name; \
		'$(REVIEW)'/$$name/bin/pip install --quiet --disable-pip-version-check --require-hashes --no-deps \
			-r $(REVIEW_TOOLS)/$$name.txt || exit 1; \
	done
	BATCHSCORE_REVIEW_STUDIO='$(REVIEW)/studio/bin/python' BATCHSCORE_REVIEW_CVAT='$(REVIEW)/cvat/bin/python' ONNXRUNTIME_LIB='$(LIBRARY)' \
		go test -count=1 -timeout 40m -run '^TestAnnotationTools$$' -v ./cmd/batchscore

FIGURES := scorer/review/evaluate/testdata

.PHONY: review-figures-check
review-figures-check: ## compute the figures of results again with scikit-learn, netcal and evidently, and compare the kept ones (500 MB)
	@test -x '$(REVIEW)/figures/bin/python' || python3 -m venv '$(REVIEW)/figures'
	@'$(REVIEW)/figures/bin/pip' install --quiet --disable-pip-version-check --require-hashes --no-deps -r $(FIGURES)/requirements.txt
	@'$(REVIEW)/figures/bin/python' $(FIGURES)/reference.py --check $(FIGURES)/reference.json.gz
	@'$(REVIEW)/figures/bin/python' scorer/review/embedding/testdata/reference.py --check
	go test -count=1 -run 'Reference|ScikitLearn' ./scorer/review/evaluate ./scorer/review/embedding

.PHONY: review-check
review-check: review-tools-check review-annotation-check review-figures-check ## check reports in a browser in all forms, and exports with real tools (minutes)
	@deploy/deps/fetch.sh browser
	go test -count=1 -tags reviewcheck ./scorer/review/page

CORPUS := $(CACHE)/corpus

.PHONY: corpus-check
corpus-check: ## decode unusual images from the tests of other projects, and compare each with Pillow
	@cmp -s models/preprocess/corpus/requirements.txt '$(CORPUS)/python/requirements.txt' || { rm -rf '$(CORPUS)/python' && \
		python3 -m venv '$(CORPUS)/python' && '$(CORPUS)/python/bin/pip' install --quiet --disable-pip-version-check --require-hashes \
		-r models/preprocess/corpus/requirements.txt && cp models/preprocess/corpus/requirements.txt '$(CORPUS)/python' || \
		{ rm -rf '$(CORPUS)/python'; exit 1; }; }
	go build -o '$(CORPUS)/decode' ./models/preprocess/corpus
	@'$(CORPUS)/python/bin/python' models/preprocess/corpus/fetch.py '$(CORPUS)/decode' '$(CORPUS)/files'
	@'$(CORPUS)/python/bin/python' models/preprocess/corpus/compare.py '$(CORPUS)/decode' '$(CORPUS)/files' >'$(CORPUS)/result.tsv' \
		2>'$(CORPUS)/warnings' || { grep -a DIFFERENT '$(CORPUS)/result.tsv'; tail -40 '$(CORPUS)/result.tsv' | grep -av "	"; exit 1; }
	@grep -av "	" '$(CORPUS)/result.tsv'; echo 'Each file: $(CORPUS)/result.tsv'

.PHONY: test-short
test-short: ## run the quick tests only, without fetching anything
	go test -short ./...

.PHONY: format
format: ## format the Go code
	gofmt -w $$(git ls-files --cached --others --exclude-standard '*.go')

.PHONY: format-check
format-check:
	@bad=$$(gofmt -l $$(git ls-files --cached --others --exclude-standard '*.go')); \
	if [ -n "$$bad" ]; then echo "not formatted (make format):"; echo "$$bad"; exit 1; fi

.PHONY: tidy-check
tidy-check: ## fail if go mod tidy would change go.mod or go.sum
	go mod tidy -diff

.PHONY: vet
vet:
	go vet ./...
	go vet -tags reviewcheck ./scorer/review/page

# The supported systems are Linux on x86-64 and on arm64.
.PHONY: cross-check
cross-check: ## compile and vet for arm64
	@deploy/deps/fetch.sh cross
	export GOOS=linux GOARCH=arm64 CGO_ENABLED=1 CC="$$(command -v aarch64-linux-gnu-gcc || echo gcc)"; go build ./... && go vet ./...

.PHONY: cpus-check
cpus-check: test-deps ## run the tests of models/ on emulated processors: SSE4.2, AVX, AVX2 of Intel and AMD (about half an hour)
	ONNXRUNTIME_LIB='$(LIBRARY)' deploy/cpus/check.sh full

.PHONY: cpus-short
cpus-short: deps
	ONNXRUNTIME_LIB='$(LIBRARY)' deploy/cpus/check.sh short

OLD ?= HEAD^
OLD_BUILD := $(CACHE)/old-build

.PHONY: compat-check
compat-check: build ## compare the bytes that this build and the commit OLD write, also in folders that OLD began
	@test -f '$(MODEL)' || $(MAKE) demo
	@rm -rf '$(OLD_BUILD)' && git worktree prune && git worktree add --quiet --detach '$(OLD_BUILD)' '$(OLD)'
	cd '$(OLD_BUILD)' && go build -trimpath -o bin/batchscore ./cmd/batchscore
	ONNXRUNTIME_LIB='$(LIBRARY)' deploy/compat/check.sh '$(OLD_BUILD)/bin/batchscore' bin/batchscore '$(MODEL)' '$(CACHE)/images'
	@git worktree remove --force '$(OLD_BUILD)'

# The script says which variables name copies of the databases.
.PHONY: vulncheck
vulncheck: ## look for known vulnerabilities of all that is linked, shipped or tested with; needs the network, so not part of test
	deploy/deps/vulncheck.sh

.PHONY: vulncheck-check
vulncheck-check: ## check that vulncheck finds what is planted in small databases (minutes)
	BATCHSCORE_VULNCHECK=yes go test -count=1 -timeout 30m -run '^TestPlanted$$' -v ./deploy/deps/pinned

.PHONY: lint
lint: ## run golangci-lint, BuildKit's linter on the Dockerfile, and actionlint on the workflows
	$(GOLANGCI) run ./...
	cd deploy/image/lint && go run . ../Dockerfile
	$(ACTIONLINT)

.PHONY: generate-check
generate-check: ## fail if generated code differs from what its generator writes
	@deploy/deps/fetch.sh protoc
	@for script in $$(git ls-files '*/generate.sh'); do \
		folder=$$(dirname "$$script"); before=$$(mktemp -d); \
		cp -R "$$folder/." "$$before"; \
		echo "$$script"; "$$script"; \
		if ! diff -r "$$before" "$$folder"; then \
			echo "$$folder was out of date and has been generated again: commit it"; exit 1; \
		fi; \
		rm -rf "$$before"; \
	done

.PHONY: reference
reference: ## write the generated parts of docs/: commands, flags, exit codes, and the rules of imports
	go test -count=1 -run '^(TestReference|TestArchitecture)$$' ./cmd/batchscore -update

.PHONY: notice
notice: ## write NOTICE: what is linked into the program or fetched for it, with the licences
	go run ./deploy/notice -o NOTICE

.PHONY: picture
picture: build ## draw docs/terminal/status.svg, the live screen of a job, in tmux; after make demo
	ONNXRUNTIME_LIB='$(LIBRARY)' docs/terminal/record.sh bin/batchscore '$(CACHE)/images' '$(MODEL)'

.PHONY: bench
bench: build deps ## measure everything in BENCHMARKS.md, or PARTS of it, and write it again (about two hours)
	@test -f '$(MODEL)' || $(MAKE) demo
	bench/measure.sh $(PARTS)

.PHONY: report
report: ## write BENCHMARKS.md and its charts from the samples under bench/testdata
	go run ./bench/report

.PHONY: go-bench
go-bench: deps ## run Go's benchmarks: manifests, bookkeeping, memory, listing, kernels (BENCH, BENCHTIME)
	ONNXRUNTIME_LIB='$(LIBRARY)' go test -run '^$$' -bench '$(BENCH)' -benchtime $(BENCHTIME) -benchmem -timeout 0 ./...

.PHONY: bench-peers
bench-peers: deps ## compare batchscore with other tools, in PEERROUNDS alternating rounds (SAVE; needs Python 3)
	@test -f '$(MODEL)' || $(MAKE) demo
	@bench/peers/setup.sh '$(CACHE)/peers'
	ONNXRUNTIME_LIB='$(LIBRARY)' go run ./bench/peers -venvs '$(CACHE)/peers' -model '$(MODEL)' \
		-photos '$(CACHE)/images/photos' -rounds $(PEERROUNDS) $(if $(SAVE),-save '$(SAVE)')

# ONNX Runtime throws exceptions, which AddressSanitizer reports as faults unless
# libstdc++ is linked. AddressSanitizer has its own allocator, so tests that count
# allocations are left out, and those that compute whole networks, in which most of the
# time goes to ONNX Runtime. It reports leaks at the end; leaks.txt lists the known
# leaks of libraries.
SANITIZED := SANITIZE_C='-fsanitize=address,undefined -fno-sanitize-recover=undefined' \
	LSAN_OPTIONS='suppressions=$(CURDIR)/models/ort/testdata/leaks.txt:print_suppressions=0' \
	CC='$(CURDIR)/deploy/sanitize/cc.sh' CGO_CFLAGS='-g -fsanitize=undefined -fno-sanitize-recover=undefined' \
	CGO_LDFLAGS='-fsanitize=undefined -Wl,--no-as-needed -lstdc++'

.PHONY: asan
asan: test-deps ## test the C code under AddressSanitizer and UndefinedBehaviorSanitizer (about 10 minutes on two cores)
	ONNXRUNTIME_LIB='$(LIBRARY)' $(SANITIZED) go test -asan -ldflags='-s=false -w=false' -count=1 -timeout 20m \
		-skip 'ScoreAllocatesNothing|CloseFreesReplaced|^TestMemory$$|^TestNeed_Measured$$|SampleImagesScore|ReplacedInNetworks' \
		./models/preprocess/... ./models/device/... ./models/ort/... ./scorer/review/embedding/products/...

.PHONY: bombs
bombs: deps ## score images that declare 89 megapixels in a few bytes, in a control group of 1 GB (as root)
	ONNXRUNTIME_LIB='$(LIBRARY)' BATCHSCORE_BOMBS=1 go test -count=1 -timeout 30m -run '^TestBombs$$' -v ./cmd/batchscore

.PHONY: hostile
hostile: ## read every hostile record of an output with all that read one (minutes)
	BATCHSCORE_HOSTILE=1 go test -count=1 -timeout 30m -run '^TestHostileRecords$$' -v ./scorer/output

.PHONY: view-check
view-check: ## measure how much 50 readers of a live page change the rate of its job, and what they cost (minutes, on a machine with little else to do)
	BATCHSCORE_VIEW_CHECK=1 go test -count=1 -timeout 30m -run '^TestViewLoad$$' -v ./cmd/batchscore

.PHONY: nightly-check
nightly-check: ## measure nights that continue one another: a million images, a year, and a collection that grows (minutes)
	BATCHSCORE_NIGHTLY_CHECK=1 go test -count=1 -timeout 60m -run '^TestNightly' -v ./bench

.PHONY: joint-check
joint-check: deps ## measure that two models in one pass cost at most 1.05 times what they cost apart, less one decoding (a minute)
	ONNXRUNTIME_LIB='$(LIBRARY)' BATCHSCORE_JOINT_CHECK=1 go test -count=1 -timeout 20m -run '^TestJoint$$' -v ./bench

.PHONY: metrics-check
metrics-check: deps ## check alerts and dashboard with promtool, Grafana's schema, and a Prometheus and an Alertmanager that watch runs (minutes)
	@deploy/deps/fetch.sh monitoring imagenet
	go test -count=1 -tags grafana -v ./deploy/monitoring
	ONNXRUNTIME_LIB='$(LIBRARY)' BATCHSCORE_METRICS_CHECK=1 \
		go test -count=1 -timeout 20m -run '^TestMonitored$$' -v ./cmd/batchscore

.PHONY: kill
kill: deps ## kill ranks at random moments and rerun, ROUNDS times over
	ONNXRUNTIME_LIB='$(LIBRARY)' BATCHSCORE_KILL_ROUNDS=$(ROUNDS) \
		go test -count=1 -timeout 60m -run 'Kill' -v ./cmd/batchscore

.PHONY: models-check
models-check: deps ## compare built networks with torchvision and Keras (1 GB of disk), and with NETWORKS=DIR with timm and transformers
	ONNXRUNTIME_LIB='$(LIBRARY)' BATCHSCORE_MODELS_CHECK=1 BATCHSCORE_NETWORKS='$(NETWORKS)' \
		go test -count=1 -timeout 40m -run 'Logits|TrainedWeights' -v ./models/networks

# Versions and digests are pinned. To change one, edit the .in file and run
# pip-compile --generate-hashes --strip-extras on it.
READERS := $(CACHE)/readers

.PHONY: readers-check
readers-check: build ## execute docs/readers.md and deploy/python with pandas, polars, DuckDB, PyArrow and, where there is Java, Spark (1.5 GB of disk)
	@test -x '$(READERS)/bin/python' || python3 -m venv '$(READERS)'
	'$(READERS)/bin/pip' install --quiet --disable-pip-version-check --require-hashes \
		-r scorer/output/testdata/readers/requirements.txt \
		$$(! command -v java >/dev/null || echo -r scorer/output/testdata/readers/spark.txt)
	PATH="$(CURDIR)/bin:$$PATH" PYTHONPATH='$(CURDIR)/deploy/python' BATCHSCORE_READERS='$(READERS)/bin/python' \
		go test -count=1 -timeout 20m -run '^TestReaders$$' -v ./scorer/output

OWN_MODEL := $(CACHE)/own-model

.PHONY: own-model-check
own-model-check: deps ## execute docs/own-model.md with PyTorch, timm, Keras and Optimum (8 GB of disk)
	@for name in torch keras; do \
		test -x '$(OWN_MODEL)'/$$name/bin/python || python3 -m venv '$(OWN_MODEL)'/$$name; \
		'$(OWN_MODEL)'/$$name/bin/pip install --quiet --disable-pip-version-check --require-hashes \
			-r cmd/batchscore/testdata/own-model/$$name.txt; \
	done
	ONNXRUNTIME_LIB='$(LIBRARY)' BATCHSCORE_OWN_MODEL='$(OWN_MODEL)' go test -count=1 -timeout 60m -run '^TestOwnModel$$' -v ./cmd/batchscore

ZOO := $(CACHE)/zoo
DETECTORS := $(CACHE)/own-model/detectors

.PHONY: zoo-check
zoo-check: deps ## run models of transformers, timm and packages without flags, and compare with their libraries; resumes (8 GB of disk)
	@test -x '$(OWN_MODEL)/torch/bin/python' || python3 -m venv '$(OWN_MODEL)/torch'
	@'$(OWN_MODEL)/torch/bin/pip' install --quiet --disable-pip-version-check --require-hashes -r cmd/batchscore/testdata/own-model/torch.txt
	@'$(OWN_MODEL)/torch/bin/pip' install --quiet --disable-pip-version-check --require-hashes --no-deps --upgrade --target '$(ZOO)' \
		-r cmd/batchscore/testdata/zoo/zoo.txt
	'$(OWN_MODEL)/torch/bin/python' models/origin/testdata/make_configurations.py '$(CACHE)/configurations' \
		'$(CACHE)'/images/photos/bg.jpg '$(CACHE)'/images/photos/clem-onojegaw.jpg '$(CACHE)'/images/photos/avatar.jpg
	BATCHSCORE_CONFIGURATIONS='$(CACHE)/configurations' go test -count=1 -timeout 60m -run '^TestConfigurations$$' -v ./models/origin
	ONNXRUNTIME_LIB='$(LIBRARY)' BATCHSCORE_ZOO_PYTHON='$(OWN_MODEL)/torch/bin/python' BATCHSCORE_ZOO_PACKAGES='$(ZOO)' BATCHSCORE_ZOO='$(ZOO)-models' \
		go test -count=1 -timeout 60m -run '^TestZoo$$' -v ./cmd/batchscore

.PHONY: detect-check
detect-check: deps ## run detectors of transformers, torchvision, Ultralytics and nudenet without flags, and compare boxes; resumes (8 GB of disk)
	@test -x '$(OWN_MODEL)/torch/bin/python' || python3 -m venv '$(OWN_MODEL)/torch'
	@'$(OWN_MODEL)/torch/bin/pip' install --quiet --disable-pip-version-check --require-hashes -r cmd/batchscore/testdata/own-model/torch.txt
	@'$(OWN_MODEL)/torch/bin/pip' install --quiet --disable-pip-version-check --require-hashes --no-deps --upgrade --target '$(DETECTORS)' \
		-r cmd/batchscore/testdata/detectors/detectors.txt
	ONNXRUNTIME_LIB='$(LIBRARY)' BATCHSCORE_DETECT_PYTHON='$(OWN_MODEL)/torch/bin/python' BATCHSCORE_DETECT_PACKAGES='$(DETECTORS)' \
		BATCHSCORE_DETECTORS='$(DETECTORS)-models' go test -count=1 -timeout 60m -run '^TestDetectors$$' -v ./cmd/batchscore

.PHONY: crops-check
crops-check: deps ## cut trained networks into models of vectors, compare with ONNX Runtime from Python, and look up crops of photographs
	@test -x '$(OWN_MODEL)/torch/bin/python' || python3 -m venv '$(OWN_MODEL)/torch'
	@'$(OWN_MODEL)/torch/bin/pip' install --quiet --disable-pip-version-check --require-hashes -r cmd/batchscore/testdata/own-model/torch.txt
	deploy/deps/fetch.sh imagenet
	ONNXRUNTIME_LIB='$(LIBRARY)' BATCHSCORE_CROPS=100 BATCHSCORE_CROPS_PYTHON='$(OWN_MODEL)/torch/bin/python' \
		go test -count=1 -timeout 30m -run '^TestCropsFindTheirPhotograph$$' -v ./cmd/batchscore

.PHONY: chaos
chaos: RANKS = 3
chaos: deps ## disturb ranks, network and storage for CHAOS on a schedule (CHAOS_SEED, RANKS), and verify
	ONNXRUNTIME_LIB='$(LIBRARY)' BATCHSCORE_CHAOS=$(CHAOS) BATCHSCORE_CHAOS_SEED=$(CHAOS_SEED) \
		BATCHSCORE_CHAOS_FIRST=$(CHAOS_FIRST) BATCHSCORE_CHAOS_RANKS=$(RANKS) \
		go test -count=1 -timeout 0 -run '^TestChaos$$' -v ./cmd/batchscore

HOSTS := $(CACHE)/hosts

# PARALLEL is how many scenarios take place at once; most of their time is waiting.
PARALLEL ?= 4

.PHONY: hosts-check
hosts-check: deps ## lose hosts, networks and the storage of jobs on four hosts, and verify; as root (about ten minutes; PARALLEL)
	@deploy/deps/fetch.sh cluster
	@mkdir -p '$(HOSTS)'
	BATCHSCORE_HOSTS='$(HOSTS)' go test -count=1 -timeout 60m -parallel $(PARALLEL) -run '^TestHostsCheck$$' -v ./cmd/batchscore
	@echo 'What each launch printed: $(HOSTS)'

SLURM_HOSTS := $(CACHE)/slurm-hosts

# ONLY is a regular expression for the names of scenarios.
.PHONY: slurm-hosts-check
slurm-hosts-check: deps ## lose nodes, networks and daemons of a Slurm of three nodes with accounting, and verify; as root (half an hour; ONLY, PARALLEL)
	@deploy/deps/fetch.sh cluster slurm
	@mkdir -p '$(SLURM_HOSTS)'
	BATCHSCORE_SLURM_HOSTS='$(SLURM_HOSTS)/matrix.txt' BATCHSCORE_SLURM_HOSTS_ONLY='$(ONLY)' \
		BATCHSCORE_SLURM_HOSTS_PARALLEL=$(PARALLEL) ONNXRUNTIME_LIB='$(LIBRARY)' \
		go test -count=1 -timeout 90m -parallel $(PARALLEL) -run '^TestSlurmHosts$$' -v ./cmd/batchscore
	@echo 'The table: $(SLURM_HOSTS)/matrix.txt'

# The servers of a cluster come through the Go module proxy, verified by the
# checksum database. Building them takes about ten minutes on two cores, once.
CLUSTER := $(CACHE)/controlplane

.PHONY: kubernetes-check
kubernetes-check: ## send jobs to a real Kubernetes control plane and MPI operator, without nodes (2 GB of disk)
	cd deploy/kubernetes/controlplane && mkdir -p '$(CLUSTER)' && \
		go build -trimpath -ldflags '-s -w' -o '$(CLUSTER)/' $$(sed -n 's/^\t_ "\(.*\)"$$/\1/p' tools.go) && \
		install -m 0644 "$$(go list -m -f '{{.Dir}}' github.com/kubeflow/mpi-operator)/manifests/base/kubeflow.org_mpijobs.yaml" '$(CLUSTER)/mpijobs.yaml'
	BATCHSCORE_KUBERNETES='$(CLUSTER)' go test -count=1 -timeout 20m -run '^TestCluster$$' -v ./deploy/kubernetes

PODS := $(CACHE)/pods
PODS_ARCHIVE ?= $(PODS)/image.tar

.PHONY: pods-servers
pods-servers: ## build the servers of a cluster with a node, which pods-check runs
	cd deploy/kubernetes/controlplane && mkdir -p '$(CLUSTER)' && \
		go build -trimpath -ldflags '-s -w' -o '$(CLUSTER)/' ./pause $$(sed -n 's/^\t_ "\(.*\)"$$/\1/p' tools.go node.go) && \
		install -m 0644 "$$(go list -m -f '{{.Dir}}' github.com/kubeflow/mpi-operator)/manifests/base/kubeflow.org_mpijobs.yaml" '$(CLUSTER)/mpijobs.yaml'
	cd deploy/kubernetes/controlplane/dns && go build -trimpath -ldflags '-s -w' -o '$(CLUSTER)/' .

.PHONY: pods-image
pods-image: build
	@command -v debootstrap >/dev/null || { apt-get -qq update && apt-get -qq install -y debootstrap; }
	deploy/kubernetes/pods/image.sh '$(PODS)/image.tar' bin/batchscore '$(dir $(LIBRARY))'

# Without PODS_ARCHIVE, an archive of an image such as IMAGE_ARCHIVE of "make image", one is
# made without a container engine. PODS_RUN chooses scenarios, as in PODS_RUN=TestPods/Alone/MPI.
PODS_RUN ?= ^TestPods$$

.PHONY: pods-check
pods-check: $(if $(filter file,$(origin PODS_ARCHIVE)),pods-image)
pods-check: deps build pods-servers ## run jobs in real pods on this machine, and disturb them; as root, with containerd (PODS_ARCHIVE, PODS_RUN)
	@command -v containerd >/dev/null || { apt-get -qq update && apt-get -qq install -y containerd runc; }
	@$(MAKE) --no-print-directory demo-model
	BATCHSCORE_PODS='$(PODS)/cluster' BATCHSCORE_PODS_SERVERS='$(CLUSTER)' BATCHSCORE_PODS_ARCHIVE='$(abspath $(PODS_ARCHIVE))' \
		BATCHSCORE_PODS_PROGRAM='$(CURDIR)/bin/batchscore' BATCHSCORE_PODS_MODEL='$(MODEL)' \
		go test -count=1 -parallel 6 -timeout 90m -run '$(PODS_RUN)' -v ./deploy/kubernetes/pods

# deploy/image/build.sh says what DOCKER, BASE, IMAGE_FLAGS and CERTIFICATES are. The archive
# IMAGE_ARCHIVE is for machines without a registry.
image: IMAGE ?= batchscore:cpu
image-gpu: IMAGE ?= batchscore:gpu

.PHONY: image
image: ## build the image for CPUs as IMAGE, with Docker (BASE, IMAGE_FLAGS, IMAGE_ARCHIVE; 3 GB of disk)
	VERSION='$(VERSION)' COMMIT='$(COMMIT)' ARCHIVE='$(IMAGE_ARCHIVE)' deploy/image/build.sh cpu '$(IMAGE)'

# CUDA=cuda13 has the newer libraries.
.PHONY: image-gpu
image-gpu: ## build the image for NVIDIA's GPUs as IMAGE (15 GB of disk; CUDA=cuda12 or cuda13)
	VERSION='$(VERSION)' COMMIT='$(COMMIT)' ARCHIVE='$(IMAGE_ARCHIVE)' CUDA='$(CUDA)' deploy/image/build.sh gpu '$(IMAGE)'

.PHONY: image-run-check
image-run-check: IMAGE ?= batchscore:cpu
image-run-check: build ## run IMAGE with a read-only root, half a core and 1 GB: exit codes, threads, stops, ssh and mpirun (minutes; as root)
	@deploy/deps/fetch.sh model demo
	@$(MAKE) --no-print-directory demo-model
	rm -rf --one-file-system '$(CACHE)/image-run-check'
	deploy/image/runcheck.sh '$(IMAGE)' '$(CACHE)/image-run-check' '$(MODEL)' '$(CACHE)/demo'

# SCENARIOS are some of deploy/nfs/scenarios.sh; all if empty.
.PHONY: nfs-check
nfs-check: deps build ## run ranks on machines that share a folder over NFS, with servers that stop and clocks that are wrong (an hour; root, apt)
	deploy/nfs/check.sh '$(CACHE)/nfs' bin/batchscore cmd/batchscore/testdata/wild/models/b02.onnx '$(CACHE)/images/generated/shapes.jpg' $(SCENARIOS)

.PHONY: systemd-check
systemd-check: deps build ## have a real systemd run the nightly units for some nights, by a moved clock (20 minutes; root, apt, debootstrap)
	@command -v debootstrap >/dev/null || { apt-get -qq update && apt-get -qq install -y debootstrap; }
	deploy/units/nights/check.sh '$(CACHE)/systemd' bin/batchscore '$(LIBRARY)' cmd/batchscore/testdata/wild/models/b02.onnx \
		'$(CACHE)/images'

IMAGE_ROOT ?= $(CACHE)/image-root

.PHONY: image-check
image-check: deps build ## run the steps of the container image in a fresh root, then the worker; as root, with debootstrap (8 GB of disk)
	@command -v debootstrap >/dev/null || { apt-get -qq update && apt-get -qq install -y debootstrap; }
	rm -rf --one-file-system '$(IMAGE_ROOT)'
	mkdir -p '$(CACHE)/models'
	bin/batchscore models import '$(ARCHIVE)' --path dist/models/inception_v3 -o '$(CACHE)/models/image-check.onnx'
	deploy/image/check.sh '$(IMAGE_ROOT)' bin/batchscore '$(dir $(LIBRARY))' '$(CACHE)/models/image-check.onnx' $$(ls '$(CACHE)'/images/photos/*.jpg | head -n 4)
	rm -rf --one-file-system '$(IMAGE_ROOT)'

# The inputs that reached new code, which the next run starts from.
FUZZ_CACHE ?= $(CACHE)/fuzz

# FUZZTIME is a duration, or a number of inputs as 200x. FUZZ has packages and flags, as
# in FUZZ='-run FuzzRead'.
.PHONY: fuzz
fuzz: ## run every fuzz target for FUZZTIME, and print a table of them (FUZZ has packages and flags)
	go run ./deploy/fuzz -time $(FUZZTIME) -cache '$(FUZZ_CACHE)' $(FUZZ)

.PHONY: fuzz-nightly
fuzz-nightly: ## the same for 10 minutes each, those of packages with C code also under sanitizers (13 hours)
	$(MAKE) --keep-going --no-print-directory fuzz fuzz-asan FUZZTIME=10m

.PHONY: fuzz-asan
fuzz-asan: ## run the fuzz targets of packages with C code under AddressSanitizer and UndefinedBehaviorSanitizer
	$(SANITIZED) go run ./deploy/fuzz -asan -time $(FUZZTIME) -cache '$(FUZZ_CACHE)' $(FUZZ)

# Only inputs of at most 4 KiB, and at most 16 of a target, are taken.
.PHONY: fuzz-seeds
fuzz-seeds: ## add to testdata/fuzz those inputs of former runs that reach code of their own
	go run ./deploy/fuzz -seeds -cache '$(FUZZ_CACHE)' $(FUZZ)

.PHONY: clean
clean: ## remove build results and the demo's output, but not what was fetched
	rm -rf bin demo-report.html
	@if [ -d demo-out/_batchscore ]; then rm -rf demo-out; fi
