# Thin: each target calls the host command, tools/mortise. `make` lists the targets.

# Whatever Go there is (1.21 or newer) fetches the release that go.mod names, if it is another.
export GOTOOLCHAIN := auto
# FindGo of tools/mortise reads TAMAGO, tools/qemu MORTISE_QEMU.
export TAMAGO

GO      := go
MORTISE := build/mortise

.PHONY: help firmware run test fuzz bench check clean $(MORTISE)

help:
	@echo 'make firmware   build build/mx6ullevk/gateway.elf'
	@echo '                LOAD=gc,print: gateway-load.elf, with in-band load (gc, spin, print, reload, send, bulk, filter)'
	@echo '                TASKS=control: gateway-control.elf, with the oob tasks of image/gateway/tasks_control.go'
	@echo 'make run        boot it in QEMU with live peers, and forward.toml; a table of latencies; ^C ends it'
	@echo '                FOR=20s: end by itself  PCAP=FILE: keep a capture'
	@echo 'make test       all tests, those in QEMU too'
	@echo 'make fuzz       the fuzz targets, 30 min of CPU time each: docs/fuzzing.md  FOR=10m: that long  ONLY=REGEXP: these'
	@echo 'make bench      the published latency figures, in virtual time; FULL=1: the whole matrix; REPEAT=2: each twice'
	@echo '                PEERS=1: Debian on the same board, standard and PREEMPT_RT, and stock TamaGo, too'
	@echo 'make check      go vet, rules for oob code, gofmt, import rules'
	@echo 'make clean      remove build/'
	@echo
	@echo 'CONFIG=FILE     another configuration than gateway.toml (firmware), gateway.toml and forward.toml (run)'
	@echo 'QEMU=PATH       this qemu-system-arm (run, test, bench); else the installed one, else it gets installed'
	@echo 'TAMAGO=PATH     this go command that knows GOOS=tamago; else one is made and kept in the cache'

firmware: $(MORTISE)
	@$(MORTISE) firmware -load '$(LOAD)' -tasks '$(TASKS)' -config '$(CONFIG)'

run: $(MORTISE)
	@$(MORTISE) run $(if $(FOR),-for '$(FOR)') -pcap '$(PCAP)' -qemu '$(QEMU)' -config '$(CONFIG)'

test: $(MORTISE)
	@$(MORTISE) test -qemu '$(QEMU)'

fuzz: $(MORTISE)
	@$(MORTISE) fuzz $(if $(FOR),-for '$(FOR)') -target '$(ONLY)' $(if $(KEEP),-keep '$(KEEP)')

bench:
	@$(GO) run ./tools/bench $(if $(QEMU),-qemu '$(QEMU)') $(if $(FULL),-full) $(if $(PEERS),-peers) \
	  -repeat $(or $(REPEAT),1) -inband \
	  -json build/bench/report.json -svg build/bench/report.svg

check: $(MORTISE)
	$(GO) vet ./...
	@$(MORTISE) vet
	@unformatted=$$("$$($(GO) env GOROOT)/bin/gofmt" -l board drivers image stack tasks tools *.go); \
	  test -z "$$unformatted" || { echo "not gofmt-ed: $$unformatted"; exit 1; }
	$(GO) test -count=1 ./tools/mortise/internal/rules

clean: $(MORTISE)
	@$(MORTISE) clean

$(MORTISE):
	@$(GO) build -o $@ ./tools/mortise
