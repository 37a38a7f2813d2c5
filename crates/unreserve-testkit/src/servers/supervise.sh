# Watches over one throw-away server. It is a shell and not a thread of ours because it has to outlive a kill -9 of whoever
# started it: its standard input is a pipe that only the starter holds, so the end of that pipe is the starter's death.
#
# Arguments: the directory to remove at the end, a line of shell that prepares the server, the command that runs it.
# Each line read: `start`. While the server runs: a signal's name (`KILL`, `INT`) to end it and wait for the next line.
# Each line written: `prepared STATUS`, `started PID`, `ended STATUS`.
# At the end of input it ends the server at once (QUIT), waits for it, and removes the directory.

directory=$1
prepare=$2
shift 2
log=$directory/server.log
exec 3<&0 </dev/null 2>>"$log"

# A Ctrl-C in the terminal must not take the watcher away before the server. (The server sets its own handlers.)
# Nor must a starter that is no longer there to read what is written.
trap '' INT TERM HUP PIPE

eval "$prepare" >>"$log" 2>&1 3<&-
echo "prepared $?"

while read -r order <&3; do
    [ "$order" = start ] || continue
    "$@" >>"$log" 2>&1 3<&- &
    server=$!
    echo "started $server"
    # The watcher waits for an order; the main shell waits for the server, which is its own child.
    (
        read -r order <&3 || order=QUIT
        # Again and again, for a server that has only just been started does not listen to signals yet.
        while kill -s "$order" "$server"; do sleep 1; done
    ) >/dev/null &
    watcher=$!
    wait "$server"
    status=$?
    kill -s KILL "$watcher" 2>/dev/null
    wait "$watcher"
    echo "ended $status"
done

# Orphans of a server that was killed may still be writing for a moment.
for pause in 0 1 1 1; do
    sleep "$pause"
    rm -rf "$directory" && break
done
