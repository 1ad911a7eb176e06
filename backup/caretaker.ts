import { spawn } from 'node:child_process';

/** What is of no use to anybody without us. */
export interface LeftBehind {
  /** A server, or another program that we have started: ended at once, because nobody needs what it would write out. */
  readonly processes?: readonly number[];
  /** With any server whose data lies in them. */
  readonly folders?: readonly string[];
}

export interface Caretaker {
  /** We have cleaned up ourselves. Safe to repeat. */
  dismiss(): void;
}

/**
 * A shell that reads our end of a pipe, and cleans up when it ends without a word: then we were killed, perhaps with a
 * signal that nobody can handle. A server writes for a moment after it was told to end, so its folder goes last.
 */
const SCRIPT = `
read -r word
[ "$word" = done ] && exit 0
for given do
  case "$given" in
    /*) for lock in "$given"/postmaster.pid "$given"/*/postmaster.pid; do
          [ -f "$lock" ] && set -- "$@" "$(head -n 1 "$lock")"
        done ;;
  esac
done
for given do
  case "$given" in /*) ;; *) kill -QUIT "$given" ;; esac
done
for try in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
  running=
  for given do
    case "$given" in /*) ;; *) kill -0 "$given" && running="$running $given" ;; esac
  done
  [ -z "$running" ] && break
  sleep 0.25
done
[ -n "$running" ] && kill -KILL $running
for given do
  case "$given" in /*) rm -rf -- "$given" || { sleep 1; rm -rf -- "$given"; } ;; esac
done`;

/** Has this ended and removed when our process dies before it has done so itself, whichever way it dies. */
export function watchOver({ processes = [], folders = [] }: LeftBehind): Caretaker {
  const child = spawn('sh', ['-c', SCRIPT, 'caretaker', ...processes.map(String), ...folders], {
    // Not one of those who hear a Ctrl-C, and in nobody's way.
    detached: true,
    cwd: '/',
    env: { PATH: process.env.PATH },
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  child.on('error', () => {
    // No shell: then a kill leaves behind what it left before there were caretakers.
  });
  child.stdin.on('error', () => {
    // It was killed itself.
  });
  child.unref();
  return {
    dismiss: () => {
      child.stdin.end('done\n');
    },
  };
}
