#!/bin/sh
# image.sh PROGRAM TAG: an image from scratch with a static program and this machine's
# root certificates. Nothing is fetched: the stage that builds is left out of the
# Dockerfile, and what it would have made is put where it copies from.
set -eu
program=$1 tag=$2
here=$(cd "$(dirname "$0")" && pwd)
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
mkdir -p "$dir/out/var/lib/simplane" "$dir/out/tmp"
chmod 1777 "$dir/out/tmp"
touch "$dir/out/var/lib/simplane/.keep" "$dir/out/tmp/.keep" # some builders leave empty directories out
cp "$program" "$dir/out/simplane"
for certs in /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt /etc/ssl/cert.pem; do
  [ -e "$certs" ] && break
done
cp "$certs" "$dir/out/ca-certificates.crt"
sed -n '/^FROM scratch/,$p' "$here/Dockerfile" | sed 's/--from=build //; s|COPY \(--chown=[^ ]* \)\{0,1\}/out/|COPY \1out/|' >"$dir/Dockerfile"
${DOCKER:-docker} build -q -t "$tag" "$dir"
