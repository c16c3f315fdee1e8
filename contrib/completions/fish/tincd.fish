# Completion of tincd(8) for fish.

function __tincd_nets
    set -l files /etc/tinc/*/tinc.conf
    string replace -r '^/etc/tinc/(.*)/tinc.conf$' '$1' -- $files
end

complete -c tincd -f
complete -c tincd -s c -l config -x -a '(__fish_complete_directories)' -d 'Read the configuration from a directory'
complete -c tincd -s D -l no-detach -d 'Stay in the foreground and log to stderr'
complete -c tincd -s d -l debug -a '0 1 2 3 4 5' -d 'Raise the debug level by one or set it'
complete -c tincd -s k -l kill -a 'HUP TERM KILL USR1 USR2 WINCH INT ALRM' -d 'Send a signal to the running tincd and exit'
complete -c tincd -s n -l net -x -a '(__tincd_nets)' -d 'Use a net'
complete -c tincd -s K -l generate-keys -a '2048 3072 4096' -d 'Make an RSA key pair and exit'
complete -c tincd -s L -l mlock -d 'Lock tincd into main memory'
complete -c tincd -l logfile -F -d 'Log to a file'
complete -c tincd -l pidfile -r -F -d 'Write the process id to a file'
complete -c tincd -s o -l option -x -d 'Set a configuration variable, of a host or of all'
complete -c tincd -s R -l chroot -d 'Change the root to the configuration directory'
complete -c tincd -s U -l user -x -a '(__fish_complete_users)' -d 'Become a user once the network is set up'
complete -c tincd -l check -d 'Look for mistakes in the configuration and exit'
complete -c tincd -l json -d 'With --check: report them in JSON'
complete -c tincd -l help -d 'Show the options and exit'
complete -c tincd -l version -d 'Show the version and exit'
