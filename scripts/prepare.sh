# shellcheck shell=bash
# What run, test and check need before they can begin; sourced by them, from any directory.
#
# Every step finds what is there first and changes the machine only where something is missing, so a
# second run takes seconds. Packages are installed on Debian and Ubuntu and by root only; elsewhere
# the step says what to install.
#
# PYTHON, a name or a path, is the Python to make the virtual environment with; without it, python3 is,
# or the newest python3.N where that one is too old. With another Python it is made anew.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
python=$root/.venv/bin/python
PATH=$PATH:/usr/sbin:/sbin # dockerd and debootstrap live there; a plain `su` leaves it out
case ${PYTHON:-} in
  /*) ;;
  */*) PYTHON=$PWD/$PYTHON ;;
esac
cd "$root" || exit

step() {
  step_began=$SECONDS
  printf '==> %s ...\n' "$1"
}

finish() { printf '    %s (%d s)\n' "$1" "$((SECONDS - step_began))"; }

fail() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

mkdir -p .run 2>/dev/null && [ -w . ] && [ -w .run ] ||
  fail "this user may not write to $root, where a virtual environment is to be made; take a clone of your own."

# private_file PATH: there and empty, for its owner alone, whoever made an earlier one. For logs, which
# may tell of the environment or the callers.
private_file() { rm -f "$1" && (umask 077 && : >"$1"); }

can_install() { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; }

# Returns 1, with the end of apt's output, where that does not work.
apt_install() {
  local log=.run/apt.log install=(apt-get install -qq -y --no-install-recommends -o DPkg::Lock::Timeout=120)
  printf '    installing %s\n' "$*"
  export DEBIAN_FRONTEND=noninteractive
  private_file "$log"
  # Only a fresh machine, without package lists, and a neglected one need the update.
  "${install[@]}" "$@" >"$log" 2>&1 </dev/null && return
  { apt-get update -qq && "${install[@]}" "$@"; } >>"$log" 2>&1 </dev/null && return
  tail -n 10 "$log" >&2
  return 1
}

# What is wrong with a Python; nothing where it is new enough and can make virtual environments, which
# Debian packs apart. Release candidates of 3.11 do not count: Ubuntu 22.04 has one.
python_fault() {
  "$1" -c '
import sys
if sys.version_info < (3, 11, 0, "final"):
    print("is " + sys.version.split()[0])
else:
    try:
        import ensurepip, venv
    except ImportError:
        print("is without its venv module")
' 2>/dev/null </dev/null || printf 'does not run\n'
}

# Sets `found` to the Python to use. Where there is none, `faults` says of each what is wrong with it.
find_python() {
  local candidate fault names=(python3 python3.{30..11})
  [ -z "${PYTHON:-}" ] || names=("$PYTHON")
  faults=
  while read -r candidate; do
    fault=$(python_fault "$candidate")
    if [ -z "$fault" ]; then
      found=$candidate
      return
    fi
    faults+=${faults:+, }"$candidate $fault"
  done < <(type -aP "${names[@]}")
  return 1
}

# find_python, which installs one where it may.
prepare_python() {
  find_python && return
  if can_install && [[ ${PYTHON:-/usr/bin/python3} == /usr/bin/python3 ]]; then
    apt_install python3 python3-venv || fail "Python could not be installed, see above."
    find_python && return
  fi
  fail "Python 3.11 or later with its venv module is needed, and there is none: ${faults:-no ${PYTHON:-python3} on PATH}.
  Debian 12, Ubuntu 24.04 or later: apt-get install python3 python3-venv
  Fedora, RHEL 9: dnf install python3.12; macOS: brew install python
  anywhere: pyenv, or \`uv python install\`
  One that is not on PATH: PYTHON=/path/to/python3.12 ${0##*/}"
}

# prepare_venv . | ".[dev]": .venv with the project in it (and what its development needs), installed
# again only when pyproject.toml or the Python changed.
prepare_venv() {
  local project=$1 stamp=.venv/installed found faults wanted
  step "virtual environment .venv"
  prepare_python
  wanted="$root $(cksum <pyproject.toml)" # a virtual environment does not survive a move
  wanted+=" $("$found" -c 'import os, sys; print(os.path.realpath(sys.executable), sys.version.split()[0])')"
  if "$python" -c '' 2>/dev/null && grep -qxF -e "$wanted $project" -e "$wanted .[dev]" "$stamp" 2>/dev/null; then
    finish "up to date"
    return
  fi
  private_file .run/pip.log
  "$found" -m venv --clear .venv
  if ! "$python" -m pip install --quiet --disable-pip-version-check -e "$project" >.run/pip.log 2>&1 </dev/null; then
    tail -n 20 .run/pip.log >&2
    fail "pip could not install the project, see above; the whole output is in .run/pip.log."
  fi
  printf '%s %s\n' "$wanted" "$project" >"$stamp"
  finish "ready, $("$python" --version)"
}

engine_version() { "$python" scripts/probe.py engine 2>/dev/null; }

# The engine that this process and everything after it talks to; exports DOCKER_HOST where it is not
# the default socket.
find_engine() {
  local rootless=unix://${XDG_RUNTIME_DIR:-/run/user/$(id -u)}/docker.sock
  engine_version >/dev/null && return
  [ -z "${DOCKER_HOST:-}" ] && DOCKER_HOST=$rootless engine_version >/dev/null && export DOCKER_HOST=$rootless
}

prepare_engine() {
  step "Docker engine"
  if ! find_engine; then
    [ -z "${DOCKER_HOST:-}" ] || fail "DOCKER_HOST is $DOCKER_HOST, but no engine answers there: $("$python" scripts/probe.py engine 2>&1)"
    [ ! -S /var/run/docker.sock ] || [ -w /var/run/docker.sock ] ||
      fail "this user may not use /var/run/docker.sock: run as root, or join its group (usermod -aG docker $(id -un), then log in again)."
    can_install || command -v dockerd >/dev/null || fail "no Docker engine answers. Install Docker Engine or Docker Desktop and start it, or set DOCKER_HOST."
    [ "$(id -u)" = 0 ] || fail "no Docker engine answers. Start it (as root: systemctl start docker), or set DOCKER_HOST."
    if ! command -v dockerd >/dev/null; then
      apt_install docker.io || fail "Debian's package docker.io could not be installed, see above."
    fi
    engine_version >/dev/null || start_engine
  fi
  finish "$(engine_version) at ${DOCKER_HOST:-the default socket}"
}

start_engine() {
  local log=/var/log/dockerd.log deadline=$((SECONDS + 60)) pid=
  if [ -d /run/systemd/system ]; then
    log="journalctl -u docker"
    systemctl start docker || fail "systemctl could not start docker; see $log."
  else
    # After a kill or a restart of the machine's container, the numbers in these files may be other
    # processes', and dockerd then takes itself, or its containerd, to be running.
    forget_unless_running /var/run/docker.pid dockerd
    forget_unless_running /var/run/docker/containerd/containerd.pid containerd
    # The package's init script may have begun to start it.
    if [ ! -e /var/run/docker.pid ]; then
      printf '    starting dockerd, its log is %s\n' "$log"
      private_file "$log"
      detach dockerd >"$log" 2>&1 </dev/null &
      pid=$!
    fi
  fi
  until engine_version >/dev/null; do
    if [ "$SECONDS" -ge "$deadline" ] || { [ -n "$pid" ] && ! kill -0 "$pid" 2>/dev/null && [ ! -e /var/run/docker.pid ]; }; then
      [ -f "$log" ] && tail -n 5 "$log" >&2
      fail "dockerd does not answer; see $log."
    fi
    sleep 0.3
  done
}

# forget_unless_running PIDFILE NAME: removes a pid file that does not belong to a running NAME.
forget_unless_running() {
  [ ! -e "$1" ] || [ "$(cat "/proc/$(cat "$1")/comm" 2>/dev/null)" = "$2" ] || rm -f "$1"
}

# In the background, out of reach of this terminal's signals. Use: detach COMMAND... >log 2>&1 </dev/null &
detach() {
  if command -v setsid >/dev/null; then exec setsid "$@"; else exec nohup "$@"; fi
}

# Exports PYTHON_IMAGE, the image that the two Dockerfiles build on, and builds the base server.
prepare_images() {
  local outcome
  step "Python image"
  PYTHON_IMAGE=$("$python" scripts/images.py python)
  export PYTHON_IMAGE
  finish "$PYTHON_IMAGE"
  step "base-api-server:latest"
  outcome=$("$python" scripts/images.py base)
  finish "$outcome"
}

# prepare_tool NAME TEST PACKAGE...: what only some tests need, which skip themselves without it;
# returns 1 then.
prepare_tool() {
  local name=$1 test=$2
  shift 2
  step "$name"
  if "$test"; then
    finish "there"
  elif can_install && apt_install "$@" && "$test"; then
    finish "installed"
  else
    finish "missing, so its tests will be skipped (on Debian: apt-get install $*)"
    return 1
  fi
}

have_prometheus() { command -v promtool >/dev/null && command -v prometheus >/dev/null; }

# The two programs of Debian's package prometheus, unpacked rather than installed: the package would
# start a server on this machine. Returns 1 without them.
prepare_prometheus() {
  local unpacked=$root/.run/prometheus
  step "Prometheus"
  PATH=$PATH:$unpacked/usr/bin
  if have_prometheus; then
    finish "there"
  elif can_install && unpack "$unpacked" prometheus && have_prometheus; then
    finish "unpacked"
  else
    finish "missing, so its tests will be skipped (on Debian: apt-get install prometheus)"
    return 1
  fi
}

# unpack DIRECTORY PACKAGE...: of Debian, without what their installation would do.
unpack() {
  local directory=$1 log=$root/.run/apt.log package
  shift
  rm -rf "$directory" && mkdir -p "$directory" || return
  private_file "$log" || return
  # In a subshell, for apt-get downloads into the current directory.
  if ! (cd "$directory" && apt-get download "$@") >"$log" 2>&1 </dev/null; then
    { apt-get update -qq && (cd "$directory" && apt-get download "$@"); } >>"$log" 2>&1 </dev/null ||
      { tail -n 5 "$log" >&2 && return 1; }
  fi
  for package in "$directory"/*.deb; do
    dpkg-deb -x "$package" "$directory" || return
  done
  rm -f "$directory"/*.deb
}

have_ssh() { command -v ssh >/dev/null && command -v sshd >/dev/null; }

# ssh, and the server that the tests run by themselves: unpacked too, for its package would let the
# world in on port 22.
prepare_ssh() {
  local unpacked=$root/.run/sshd
  step "OpenSSH"
  PATH=$PATH:$unpacked/usr/sbin
  if have_ssh; then
    finish "there"
  elif can_install && { command -v ssh >/dev/null || apt_install openssh-client; } &&
    unpack "$unpacked" openssh-server libwrap0 && have_ssh; then
    finish "unpacked"
  else
    finish "missing, so its tests will be skipped (on Debian: apt-get install openssh-server)"
    return 1
  fi
}

have_haproxy() { command -v haproxy >/dev/null; }

have_compose() { docker compose version >/dev/null 2>&1 || docker-compose version >/dev/null 2>&1; }

have_second_engine() {
  [ "$(uname -s)" = Linux ] && [ "$(id -u)" = 0 ] && command -v dockerd >/dev/null && command -v ip >/dev/null
}

# Playwright brings a Node.js of its own, which wants libatomic.
have_chromium() {
  { command -v chromium || command -v chromium-browser || command -v google-chrome; } >/dev/null &&
    "$python" -m playwright --version >/dev/null 2>&1
}
