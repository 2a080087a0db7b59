# A guest that does not switch itself off when all is said.
# module: no
check "it begins" true
busybox=$(command -v busybox)
mkfifo /run/never
cp "$busybox" /run/busybox
cat >/run/stays <<'END'
#!/bin/bash
[ "$1" != poweroff ] || read -r _ </run/never
exec -a "${0##*/}" /run/busybox "$@"
END
chmod 755 /run/stays
mount --bind /run/stays "$busybox"
