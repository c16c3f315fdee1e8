# Completion of tincd-compat(8) for fish.

complete -c tincd-compat -f
complete -c tincd-compat -n 'not __fish_seen_subcommand_from takeover release' -a takeover -d 'Take the place of C tincd'
complete -c tincd-compat -n 'not __fish_seen_subcommand_from takeover release' -a release -d 'Give it back'
complete -c tincd-compat -l dry-run -d 'Show what would be done, and stop'
complete -c tincd-compat -l program -r -F -d 'Our tincd, if it is not in the directory of this program'
complete -c tincd-compat -l root -x -a '(__fish_complete_directories)' -d 'Root directory of another system'
complete -c tincd-compat -l help -d 'Show the options and exit'
complete -c tincd-compat -l version -d 'Show the version and exit'
