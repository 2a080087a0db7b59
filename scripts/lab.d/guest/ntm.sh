# shellcheck shell=bash
# NTMobile's own programs. They get their ordinary paths: every host has its own /etc, /run and /var/lib.

DC_CONF=/etc/ntmobile/ntm-dc.conf
NTMD_CONF=/etc/ntmobile/ntmd.conf
RS_CONF=/etc/ntmobile/ntm-rs.conf
NTM_PORT=4330

# load_module [FILE]: insmod, once
load_module() {
	local file=${1:-/mnt/lab/ntmobile.ko}
	[ "$LAB_TARGET" != host ] || lab_die "load_module: target host takes no module"
	! grep -q "^$(basename "$file" .ko | tr - _) " /proc/modules || return 0
	[ -e "$file" ] || lab_die "there is no $(basename "$file"): did it build?"
	[ "$file" != /mnt/lab/ntmobile.ko ] || load_needed "$file"
	insmod "$file"
}

# What insmod does not do: the modules that ours depends on
load_needed() {
	local deps
	deps=$(modinfo -F depends "$1" 2>/dev/null | tr ',' ' ')
	# shellcheck disable=SC2086 # a list of names
	[ -z "$deps" ] || modprobe -a $deps
}

# The addresses of a host that others reach it by, as a configuration file wants them
addresses_of() {
	ip -n "$1" -o addr show scope global | awk '{ sub("/.*", "", $4); print $4 }' |
		sed -E '/:/ s/.*/[&]/' | paste -sd,
}

# write_conf FILE SECTION DEFAULT... -- OVERRIDE...: KEY=VALUE each; the last of a key wins
write_conf() {
	local file=$1 section=$2
	shift 2
	mkdir -p "$(dirname "$file")"
	{
		echo "[$section]"
		printf '%s\n' "$@" | grep -v '^--$' | awk -F= '{ if (!($1 in v)) k[++n] = $1; v[$1] = substr($0, length($1) + 2) }
			END { for (i = 1; i <= n; i++) print k[i] " = " v[k[i]] }'
	} >"$file"
}

# dc HOST [KEY=VALUE...]: start a direction coordinator; the pairs go into its configuration
dc() {
	local host=$1
	shift
	need_host "$host"
	write_conf "$(file_of "$host" $DC_CONF)" dc zone=example.net "listen=0.0.0.0:$NTM_PORT" "listen6=[::]:$NTM_PORT" \
		pool4=100.64.0.0/16 pool6=fd00:4e54::/64 state=/var/lib/ntm-dc control=/run/ntm-dc.sock \
		"advertise=$(addresses_of "$host")" -- "$@"
	bg "$host" ntm-dc ntm-dc serve -c $DC_CONF
	eventually 15 listens "$host" udp $NTM_PORT || lab_die "dc: ntm-dc on $host does not start: $(logs "$host" ntm-dc)"
	eventually 15 test -S "$(file_of "$host" /run/ntm-dc.sock)" || lab_die "dc: ntm-dc on $host has no control socket"
}

# dc_ctl HOST invite NAME | nodes | revoke NAME
dc_ctl() {
	local host=$1
	shift
	on "$host" ntm-dc -c $DC_CONF "$@"
}

# rs_start HOST [KEY=VALUE...]: start a relay server, not joined to anything yet
rs_start() {
	local host=$1
	shift
	need_host "$host"
	write_conf "$(file_of "$host" $RS_CONF)" rs "listen=0.0.0.0:$NTM_PORT" "listen6=[::]:$NTM_PORT" state=/var/lib/ntm-rs \
		control=/run/ntm-rs.sock "datapath=$([ "$LAB_DATAPATH" = kernel ] && echo kernel || echo user)" -- "$@"
	! grep -qE '^datapath = (kernel|auto)$' "$(file_of "$host" $RS_CONF)" || [ "$LAB_TARGET" = host ] || load_module
	bg "$host" ntm-rs ntm-rs serve -c $RS_CONF
	eventually 15 test -S "$(file_of "$host" /run/ntm-rs.sock)" || lab_die "rs: ntm-rs on $host does not start: $(logs "$host" ntm-rs)"
}

# rs_join HOST NAME DC: invite NAME as a relay server at the DC on host DC, join with what it says
rs_join() {
	local string
	string=$(dc_ctl "$3" invite --relay "$2")
	rs_ctl "$1" join "$string" >/dev/null || lab_die "rs: $1 cannot join: $(rs_ctl "$1" status)"
}

# rs HOST NAME DC [KEY=VALUE...]: a relay server that is registered with the DC on host DC
rs() {
	local host=$1 name=$2 dc=$3
	shift 3
	rs_start "$host" "$@"
	rs_join "$host" "$name" "$dc"
}

# rs_ctl HOST status | join STRING | leave ZONE | drain
rs_ctl() {
	local host=$1
	shift
	on "$host" ntm-rs -c $RS_CONF "$@"
}

# node_start HOST [KEY=VALUE...]: start ntmd, not joined to anything yet
node_start() {
	local host=$1
	shift
	need_host "$host"
	write_conf "$(file_of "$host" $NTMD_CONF)" node state=/var/lib/ntmd control=/run/ntmd.sock port=$NTM_PORT \
		"datapath=$(next_datapath)" interface=ntm0 -- "$@"
	[ "$(datapath_of "$host")" != kernel ] || load_module
	bg "$host" ntmd ntmd -c $NTMD_CONF
	eventually 15 test -S "$(file_of "$host" /run/ntmd.sock)" || lab_die "node: ntmd on $host does not start: $(logs "$host" ntmd)"
}

# The datapath of the next node: mixed means by turns
next_datapath() {
	[ "$LAB_DATAPATH" = mixed ] || { echo "$LAB_DATAPATH" && return; }
	if [ $(($(next_number node) % 2)) = 0 ]; then
		echo kernel
	else
		echo tun
	fi
}

# datapath_of HOST: how the node on it carries packets
datapath_of() {
	sed -nE 's/^datapath = (.*)/\1/p' "$(file_of "$1" $NTMD_CONF)"
}

# node_join HOST NAME DC: invite NAME at the DC on host DC, join with what it says
node_join() {
	local string
	string=$(dc_ctl "$3" invite "$2")
	ctl "$1" join "$string"
	eventually 15 has_lease "$1" || lab_die "node: $1 gets no lease: $(ctl "$1" status)"
}

has_lease() {
	ip -n "$1" -o addr show dev ntm0 scope global 2>/dev/null | grep -q .
}

registered() {
	ctl "$1" | grep -q 'DC: registered'
}

# epoch HOST: how often the keys of its first tunnel were replaced
epoch() {
	ctl "$1" status --json | sed -nE 's/.*"epoch": ([0-9]+).*/\1/p' | head -n 1
}

# node HOST NAME DC [KEY=VALUE...]: a node of the DC on host DC, up and registered
node() {
	local host=$1 name=$2 dc=$3
	shift 3
	node_start "$host" "$@"
	node_join "$host" "$name" "$dc"
}

# ctl HOST ARG...: ntmctl
ctl() {
	local host=$1
	shift
	on "$host" ntmctl "$@"
}

# virtual4 HOST, virtual6 HOST: the virtual addresses of a node
virtual4() {
	ip -n "$1" -4 -o addr show dev ntm0 scope global | awk '{ sub("/.*", "", $4); print $4; exit }'
}

virtual6() {
	ip -n "$1" -6 -o addr show dev ntm0 scope global -deprecated | awk '{ sub("/.*", "", $4); print $4; exit }'
}

# kunit FILE.ko: load a module with KUnit suites; each of its cases is a check
kunit() {
	local mark line
	mark="lab: kunit $(next_number kunit)"
	echo "<6>$mark" >/dev/kmsg
	modprobe kunit 2>/dev/null || true
	load_module "$1"
	dmesg | sed 's/^\[[^]]*\] //' | awk -v mark="$mark" 'index($0, mark) { on = 1; next } on' >"$LAB_STATE/ktap"
	grep -qE '^ +(not )?ok ' "$LAB_STATE/ktap" || lab_die "kunit: $(basename "$1") has run no KUnit case: $(cat "$LAB_STATE/ktap")"
	while IFS= read -r line; do
		if [[ $line = ok* ]]; then
			: >"$LAB_STATE/output"
			lab_verdict 0 "${line#ok * }" kunit
		else
			cp "$LAB_STATE/ktap" "$LAB_STATE/output"
			lab_verdict 1 "${line#not ok * }" "kunit $1"
		fi
	done < <(sed -nE 's/^ +((not )?ok [0-9]+ .*)/\1/p' "$LAB_STATE/ktap")
}
