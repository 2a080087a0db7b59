# SPDX-License-Identifier: GPL-2.0
#
# NTMobile for Linux. `make help` lists the targets. Everything is built below
# build/; the kernel's own build (make -C $KDIR M=$PWD modules) reads Kbuild
# instead of this file. Sources are found by directory: a new file needs no
# change here.

PREFIX ?= /usr/local
SYSCONFDIR ?= /etc
UNITDIR ?= $(PREFIX)/lib/systemd/system
KDIR ?= /lib/modules/$(shell uname -r)/build
CC ?= gcc
FUZZ_CC ?= clang
FUZZ_SECONDS ?= 20
B := build

PKGS := libmnl libsodium libcrypto libuv ldns sqlite3 inih jansson smartcols libsystemd
PROGRAMS := $(B)/bin/ntmd $(B)/bin/ntm-dc $(B)/bin/ntm-rs $(B)/bin/ntmctl

COMMON_SRC := $(sort $(wildcard ntmd/common/*.c))
PIPE_SRC := $(sort $(wildcard ntmd/pipe/*.c))
NODE_SRC := $(sort $(wildcard ntmd/node/*.c)) $(PIPE_SRC)
DC_SRC := $(sort $(wildcard ntmd/dc/*.c))
RS_SRC := $(sort $(wildcard ntmd/rs/*.c)) $(PIPE_SRC)
CTL_SRC := $(sort $(wildcard ntmd/ctl/*.c))
UNIT_SRC := $(sort $(wildcard tests/unit/test_*.c))
FUZZ_SRC := $(sort $(wildcard tests/fuzz/fuzz_*.c))
TOOL_SRC := $(sort $(wildcard tests/tools/*.c))
# Those with a line "tsan: yes" among their first twelve are built for races, too
TSAN_SRC := $(shell for f in $(UNIT_SRC); do sed -n '1,12s|.*tsan: *yes.*|'$$f'|p' $$f; done)
TSAN_UNITS := $(TSAN_SRC:%.c=$(B)/%-tsan)
ASAN_UNITS := $(UNIT_SRC:%.c=$(B)/%)
UNITS := $(ASAN_UNITS) $(TSAN_UNITS)
TOOLS := $(TOOL_SRC:%.c=$(B)/%)
FUZZERS := $(FUZZ_SRC:%.c=$(B)/%)
REPLAYS := $(FUZZ_SRC:tests/fuzz/%.c=$(B)/tests/replay/%)

# Libraries are asked for only where something is compiled.
QUIET_GOALS := clean help lint check uninstall module
ifneq ($(if $(MAKECMDGOALS),$(filter-out $(QUIET_GOALS),$(MAKECMDGOALS)),all),)
MISSING := $(shell for p in $(PKGS); do pkg-config --exists $$p 2>/dev/null || echo $$p; done)
# libunbound's pkg-config file wants libevent's, which nothing here needs
MISSING += $(if $(wildcard /usr/include/unbound.h /usr/local/include/unbound.h),,libunbound)
MISSING := $(strip $(MISSING))
ifeq ($(MISSING),)
PKG_CFLAGS := $(shell pkg-config --cflags $(PKGS))
PKG_LIBS := $(shell pkg-config --libs $(PKGS)) -lunbound
endif
endif

# Only there on x86-64; it has no pkg-config file
ifneq ($(if $(findstring x86_64,$(shell $(CC) -dumpmachine)),$(wildcard /usr/include/intel-ipsec-mb.h /usr/local/include/intel-ipsec-mb.h)),)
PKG_CFLAGS += -DNTM_HAVE_IPSEC_MB
PKG_LIBS += -lIPSec_MB
endif

WARNINGS := -Wall -Wextra -Werror -Wshadow -Wmissing-prototypes -Wstrict-prototypes -Wformat=2 -Wvla
HARDEN := -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fPIE
LANGUAGE := -std=gnu11 -D_GNU_SOURCE= -I include -I ntmd
CFLAGS ?= -O2 -g
LDFLAGS ?=
ALL_CFLAGS = $(LANGUAGE) $(WARNINGS) $(HARDEN) $(PKG_CFLAGS) $(CFLAGS) -MMD -MP
ALL_LDFLAGS = -pie -Wl,-z,relro,-z,now -Wl,--as-needed $(LDFLAGS)
SAN := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
SAN_CFLAGS = $(LANGUAGE) $(WARNINGS) $(PKG_CFLAGS) $(SAN) -I tests/unit -MMD -MP
TSAN := -O1 -g -fno-omit-frame-pointer -fsanitize=thread
TSAN_CFLAGS = $(LANGUAGE) $(WARNINGS) $(PKG_CFLAGS) $(TSAN) -I tests/unit -MMD -MP
FUZZ_CFLAGS = $(LANGUAGE) $(PKG_CFLAGS) $(SAN) -I tests/unit -fsanitize=fuzzer-no-link -MMD -MP

.PHONY: all userspace module no-module module-of-kdir install uninstall test test-long unit units units-tsan tools matrix demo bench-quick \
	bench-tun bench-relay fuzz fuzz-run fuzz-replay check lint clean help prerequisites
.DELETE_ON_ERROR:
.SUFFIXES:

# A kernel that somebody asked for has to be there
ASKED_FOR_KDIR := $(filter-out file default undefined,$(firstword $(origin KDIR)))
all: userspace $(if $(ASKED_FOR_KDIR)$(wildcard $(KDIR)/Makefile),module,no-module)

no-module:
	@echo "no kernel headers in $(KDIR): the programs alone were built, without kmod/ntmobile.ko" >&2

userspace: $(PROGRAMS)

prerequisites:
	@test -z "$(MISSING)" || { echo "missing: $(MISSING): run scripts/setup" >&2; exit 1; }

# --- programs

# An archive, so that a program holds only what it uses of it.
COMMON_A := $(B)/obj/common.a
$(COMMON_A): $(COMMON_SRC:%.c=$(B)/obj/%.o)
	@rm -f $@
	$(AR) rcs $@ $^

define program
$(B)/bin/$(1): $(patsubst %.c,$(B)/obj/%.o,$(2)) $(COMMON_A)
	@mkdir -p $$(@D)
	$$(CC) $$(ALL_CFLAGS) $$(ALL_LDFLAGS) -o $$@ $$^ $$(PKG_LIBS)
endef
$(eval $(call program,ntmd,$(NODE_SRC)))
$(eval $(call program,ntm-dc,$(DC_SRC)))
$(eval $(call program,ntm-rs,$(RS_SRC)))
$(eval $(call program,ntmctl,$(CTL_SRC)))

$(B)/obj/%.o: %.c | prerequisites
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -c -o $@ $<

# --- the kernel module

module:
	@test -f $(KDIR)/Makefile || { echo "no kernel headers in $(KDIR): give KDIR=..." >&2; exit 1; }
	$(MAKE) -C $(KDIR) M=$(CURDIR) modules

# --- tests

# A test program is linked with common/ and with what the lines "with: FILE.c ..."
# among its first twelve name (patterns too; a main.c is left out).
with_files = $(filter-out %/main.c,$(wildcard $(shell sed -n '1,12s|.*with: *\(.*\.c\).*|\1|p' $(1))))
# Functions of the C library that it replaces: __wrap_F() is called for F(), as its line "wrap: F..." says
wraps = $(patsubst %,-Wl$(comma)--wrap=%,$(shell sed -n '1,12s|.*wrap: *\([a-z0-9_ ]*[a-z0-9_]\).*|\1|p' $(1)))
comma := ,
with_objects = $(patsubst %.c,$(B)/$(2)/%.o,$(with_files))

.SECONDEXPANSION:
$(ASAN_UNITS): $(B)/%: $(B)/san/%.o $(COMMON_SRC:%.c=$(B)/san/%.o) $$(call with_objects,$$*.c,san)
	@mkdir -p $(@D)
	$(CC) $(SAN) $(call wraps,$*.c) -o $@ $^ $(PKG_LIBS) -lcmocka

$(TSAN_UNITS): $(B)/%-tsan: $(B)/tsan/%.o $(COMMON_SRC:%.c=$(B)/tsan/%.o) $$(call with_objects,$$*.c,tsan)
	@mkdir -p $(@D)
	$(CC) $(TSAN) $(call wraps,$*.c) -o $@ $^ $(PKG_LIBS) -lcmocka

$(B)/san/%.o: %.c | prerequisites
	@mkdir -p $(@D)
	$(CC) $(SAN_CFLAGS) -c -o $@ $<

# ntmd under sanitizers, for tests that start it
$(B)/san/bin/ntmd: $(patsubst %.c,$(B)/san/%.o,$(NODE_SRC) $(COMMON_SRC))
	@mkdir -p $(@D)
	$(CC) $(SAN) -o $@ $^ $(PKG_LIBS)

$(B)/tsan/%.o: %.c | prerequisites
	@mkdir -p $(@D)
	$(CC) $(TSAN_CFLAGS) -c -o $@ $<

$(B)/tsan/bin/ntmd: $(patsubst %.c,$(B)/tsan/%.o,$(NODE_SRC) $(COMMON_SRC))
	@mkdir -p $(@D)
	$(CC) $(TSAN) -o $@ $^ $(PKG_LIBS)

$(B)/tests/noise $(B)/tests/dc-load: $(B)/tests/%: $(B)/obj/tests/%.o $(COMMON_SRC:%.c=$(B)/obj/%.o)
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ $(PKG_LIBS)

# Small programs that scenarios use; the lab takes them into its guests.
# One that names sources in "with:" is linked with them and with common/.
tool_objects = $(if $(with_files),$(patsubst %.c,$(B)/obj/%.o,$(with_files) $(COMMON_SRC)))
$(TOOLS): $(B)/tests/tools/%: $(B)/obj/tests/tools/%.o $$(call tool_objects,tests/tools/$$*.c)
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ $(PKG_LIBS)

tools: $(TOOLS)

units: $(ASAN_UNITS)

units-tsan: $(TSAN_UNITS)

unit: $(UNITS) $(B)/tests/noise
	@failed=0; for t in $(UNITS); do $$t || failed=1; done; \
	$(B)/tests/noise tests/vectors/*.json || failed=1; exit $$failed

# They install and build what they need themselves.
test:
	tests/run '$(T)'

test-long:
	scripts/setup long
	$(MAKE) fuzz-run
	TEST_LONG=1 tests/run '$(T)'
	$(if $(T),,scripts/matrix)

# All pairs of networks, into build/matrix.json
matrix:
	scripts/matrix

demo:
	DATAPATH=$(DATAPATH) scripts/demo

bench-quick bench-tun bench-relay: bench-%:
	scripts/bench $*

# --- fuzzing: clang only

$(B)/fuzz/%.o: %.c | prerequisites
	@mkdir -p $(@D)
	$(FUZZ_CC) $(FUZZ_CFLAGS) -c -o $@ $<

$(FUZZERS): $(B)/%: $(B)/fuzz/%.o $(COMMON_SRC:%.c=$(B)/fuzz/%.o) $$(call with_objects,$$*.c,fuzz)
	@mkdir -p $(@D)
	$(FUZZ_CC) $(SAN) -fsanitize=fuzzer -o $@ $^ $(PKG_LIBS)

fuzz: $(FUZZERS)

# The same targets with a main() that replays their corpora, for any compiler
$(REPLAYS): $(B)/tests/replay/%: $(B)/san/tests/fuzz/%.o $(B)/san/tests/fuzz/replay.o $(COMMON_SRC:%.c=$(B)/san/%.o) \
		$$(call with_objects,tests/fuzz/$$*.c,san)
	@mkdir -p $(@D)
	$(CC) $(SAN) -o $@ $^ $(PKG_LIBS)

fuzz-replay: $(REPLAYS)
	@for f in $(REPLAYS); do \
		echo "$${f##*/}:" $$($$f 2000 $$(ls -d tests/fuzz/corpus/$${f##*/} 2>/dev/null)) || exit 1; \
	done

fuzz-run: fuzz
	@for f in $(FUZZERS); do \
		mkdir -p $(B)/corpus/$${f##*/} || exit 1; \
		$$f -max_total_time=$(FUZZ_SECONDS) -max_len=2048 -verbosity=0 -print_final_stats=1 \
			-artifact_prefix=$(B)/corpus/ $(B)/corpus/$${f##*/} \
			$$(ls -d tests/fuzz/corpus/$${f##*/} 2>/dev/null) || exit 1; \
	done

# --- checks of the source itself

C_FILES = $(sort $(wildcard ntmd/*/*.[ch] tests/*.[ch] tests/unit/*.[ch] tests/fuzz/*.[ch] tests/tools/*.[ch]))
SHELL_FILES = $(shell grep -lsE '^\#!.*\b(ba|da)?sh\b' .ci/* scripts/* scripts/*/* tests/* tests/*/*)

lint:
	clang-format-14 --dry-run --Werror $(C_FILES)
	tests/lint/checkpatch
	cppcheck --quiet --error-exitcode=1 --inline-suppr --std=c11 --enable=warning,portability,performance \
		--suppress=missingIncludeSystem --suppress=ctuuninitvar \
		--include=tests/lint/cppcheck.h -I include -I ntmd ntmd tests/noise.c
	printf '%s\n' $(filter %.c,$(C_FILES)) | xargs -P $$(nproc) -I FILE \
		clang-tidy --quiet FILE -- $(LANGUAGE) -I tests/unit $(shell pkg-config --cflags $(PKGS))
	$(if $(SHELL_FILES),shellcheck -x $(SHELL_FILES))

check: lint

# --- installation

UNIT_FILES = $(wildcard scripts/systemd/*.service scripts/systemd/*.service.in)
MAN_PAGES = $(wildcard docs/*.1 docs/*.5 docs/*.8)
EXAMPLES = $(wildcard docs/*.conf.example docs/examples/*)
sections = $(sort $(subst .,,$(suffix $(MAN_PAGES))))

# What modules_install puts below the kernel of KDIR has to be of that kernel
module-of-kdir:
	@test ! -f kmod/ntmobile.ko || { \
		is=$$(strings -a kmod/ntmobile.ko | sed -n 's/^vermagic=\([^ ]*\).*/\1/p'); \
		wanted=$$(cat $(KDIR)/include/config/kernel.release 2>/dev/null); \
		test "$$is" = "$$wanted" || { \
			echo "kmod/ntmobile.ko is for kernel $$is, and $(KDIR) is $${wanted:-none}: give the KDIR=... that it was built with" >&2; \
			exit 1; }; }

install: userspace module-of-kdir
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/sbin $(DESTDIR)$(SYSCONFDIR)/ntmobile
	install -m 755 $(B)/bin/ntmctl $(DESTDIR)$(PREFIX)/bin/
	install -m 755 $(B)/bin/ntmd $(B)/bin/ntm-dc $(B)/bin/ntm-rs $(DESTDIR)$(PREFIX)/sbin/
	@set -e; for f in $(UNIT_FILES); do \
		n=$${f##*/}; n=$${n%.in}; echo "install $(DESTDIR)$(UNITDIR)/$$n"; \
		install -d $(DESTDIR)$(UNITDIR); \
		sed 's,@PREFIX@,$(PREFIX),g;s,@SYSCONFDIR@,$(SYSCONFDIR),g' $$f >$(B)/$$n; \
		install -m 644 $(B)/$$n $(DESTDIR)$(UNITDIR)/$$n; done
	@set -e; for f in $(MAN_PAGES); do d=$(DESTDIR)$(PREFIX)/share/man/man$${f##*.}; \
		echo "install $$d/$${f##*/}"; install -d $$d; install -m 644 $$f $$d/; done
	@set -e; for f in $(EXAMPLES); do d=$(DESTDIR)$(PREFIX)/share/doc/ntmobile; \
		echo "install $$d/$${f##*/}"; install -d $$d; install -m 644 $$f $$d/; done
	@if test -f kmod/ntmobile.ko; then \
		$(MAKE) -C $(KDIR) M=$(CURDIR) CONFIG_MODULE_SIG_ALL= \
			$(if $(DESTDIR),INSTALL_MOD_PATH=$(abspath $(DESTDIR))) modules_install; fi

uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/ntmctl $(addprefix $(DESTDIR)$(PREFIX)/sbin/,ntmd ntm-dc ntm-rs)
	rm -f $(patsubst %.in,%,$(addprefix $(DESTDIR)$(UNITDIR)/,$(notdir $(UNIT_FILES))))
	rm -f $(foreach m,$(MAN_PAGES),$(DESTDIR)$(PREFIX)/share/man/man$(subst .,,$(suffix $(m)))/$(notdir $(m)))
	rm -rf $(DESTDIR)$(PREFIX)/share/doc/ntmobile
	rmdir --ignore-fail-on-non-empty $(DESTDIR)$(SYSCONFDIR)/ntmobile 2>/dev/null || true
	@set -e; for f in $(DESTDIR)/lib/modules/*/updates/kmod/ntmobile.ko* $(DESTDIR)/lib/modules/*/extra/kmod/ntmobile.ko*; do \
		test -f $$f || continue; echo "rm $$f"; rm -f $$f; \
		test -n "$(DESTDIR)" || depmod -a "$$(echo $$f | cut -d/ -f4)"; done

clean:
	rm -rf $(B)
	find . -name .git -prune -o \( -name '*.o' -o -name '*.ko' -o -name '*.mod' -o -name '*.mod.c' -o -name '.*.cmd' \
		-o -name modules.order -o -name Module.symvers \) -type f -exec rm -f {} +

help:
	@echo 'make              programs, and the module if KDIR ($(KDIR)) is there'
	@echo 'make userspace    build/bin/ntmd, build/bin/ntm-dc, build/bin/ntm-rs, build/bin/ntmctl'
	@echo 'make module       kmod/ntmobile.ko for the kernel of KDIR=...'
	@echo 'make install      to PREFIX=$(PREFIX), below DESTDIR; uninstall undoes it'
	@echo 'make test         the tests; T=PATTERN for some'
	@echo 'make test-long    the same and the long ones, fuzzers among them'
	@echo 'make unit         unit tests alone, with ASan and UBSan, those with threads with TSan as well'
	@echo 'make fuzz         fuzz targets (clang); fuzz-run runs each for FUZZ_SECONDS=$(FUZZ_SECONDS)'
	@echo 'make fuzz-replay  their corpora, and a little more, with any compiler; make test does that, too'
	@echo 'make matrix       who reaches whom, from all pairs of networks on each data path: build/matrix.json'
	@echo 'make demo         the system at work in a virtual machine; DATAPATH=tun: natively, without the module'
	@echo 'make bench-quick  NTMobile against WireGuard and plain'
	@echo 'make bench-relay  the relay in the kernel against coturn, and with a million entries'
	@echo 'make bench-tun    NTMobile in user space against wireguard-go, tinc, OpenVPN, fastd and plain'
	@echo 'make lint         clang-format, checkpatch, cppcheck, clang-tidy, shellcheck (also: check)'
	@echo 'make clean        removes what was built'

-include $(shell find $(B)/obj $(B)/san $(B)/tsan $(B)/fuzz -type f -name "*.d" 2>/dev/null)
