"""Where each promise of SECURITY.md is proved, by its name there.

A proof is a test, as ``FILE::[CLASS::]FUNCTION``, or a check of a scenario.
"""

from __future__ import annotations

from typing import Final

_HERE: Final = "tests/promises"
_ADMIN: Final = "tests/admin"
_CONFIG: Final = "tests/config"
_CONTROL: Final = "tests/control"
_DAEMON: Final = "tests/daemon"
_META: Final = "tests/meta"
_OBSERVE: Final = "tests/observe"
_SERVICE: Final = "tests/service"
_TRANSPORT: Final = "tests/transport"
_TUNNEL: Final = "tests/tunnel"
_SCENARIOS: Final = "conformance/scenarios"

STRANGERS: Final[dict[str, tuple[str, ...]]] = {
    "silence": (
        f"{_META}/test_handshake_refusals.py"
        "::test_what_strangers_say_is_refused_in_silence",
        f"{_META}/test_handshake.py::test_what_the_side_called_says_when",
        f"{_META}/test_handshake.py::test_every_request_in_every_state",
        f"{_SCENARIOS}/badpeer.py::_silence",
        f"{_SCENARIOS}/badpeer.py::_bad_keys",
    ),
    "proof": (
        f"{_META}/test_handshake.py::test_what_the_side_called_says_when",
        f"{_META}/test_handshake.py::test_the_side_called_proves_itself_last",
        f"{_META}/test_handshake_refusals.py::test_a_reply_that_proves_nothing",
        f"{_META}/test_connection.py::test_nobody_unproved_hears_of_the_mesh",
        f"{_SCENARIOS}/handshakes.py::_expect_no_proof",
    ),
    "buffer": (
        f"{_META}/test_connection.py::test_a_stranger_without_line_ends",
        f"{_META}/test_connection.py::test_what_waits_meanwhile_is_bounded",
        f"{_TRANSPORT}/test_udp_receiving.py"
        "::test_strangers_do_not_fill_the_address_cache",
        f"{_TUNNEL}/test_lookup.py::test_the_set_of_hosts_is_bounded_without_any_node",
    ),
    "rate": (
        f"{_TRANSPORT}/test_tcp.py::test_ten_connections_a_second",
        f"{_TRANSPORT}/test_tcp.py::test_too_many_callers_wait_in_silence",
        f"{_SCENARIOS}/handshakes.py::_crowd",
    ),
    "elsewhere": (
        f"{_TRANSPORT}/test_tcp.py::test_one_address_does_not_keep_others_out",
        f"{_TRANSPORT}/test_tcp.py::test_a_network_of_ipv6_is_one_address",
        f"{_TRANSPORT}/test_tcp.py::test_who_was_among_the_ten_is_no_other",
    ),
    "tarpit": (
        f"{_TRANSPORT}/test_tcp.py::test_the_tarpit_closes_the_oldest_for_one_more",
        f"{_DAEMON}/test_links_end.py::test_the_tarpit_is_bounded",
        f"{_DAEMON}/test_links_end.py::test_strangers_are_left_in_silence",
    ),
    "callers": (
        f"{_DAEMON}/test_links_end.py::test_callers_in_the_handshake_are_bounded",
    ),
    "time": (
        f"{_META}/test_connection_time.py::test_single_bytes_do_not_buy_time",
        f"{_META}/test_connection_time.py::test_the_handshake_has_to_finish_in_time",
        f"{_META}/test_connection_time.py"
        "::test_the_time_that_our_key_takes_is_not_the_peer_s",
        f"{_DAEMON}/test_links_time.py::test_a_silent_stranger",
    ),
    "key-share": (
        f"{_DAEMON}/test_privateops.py::test_a_flood_leaves_half_of_the_time",
        f"{_DAEMON}/test_privateops.py::test_own_links_need_no_share",
        f"{_DAEMON}/test_links.py::test_packets_move_while_a_block_is_decrypted",
    ),
    "key-turns": (
        f"{_DAEMON}/test_privateops.py"
        "::test_own_links_come_first_then_callers_in_turns",
        f"{_DAEMON}/test_privateops.py::test_nobody_waits_longer_than_patience",
        f"{_DAEMON}/test_links.py"
        "::test_links_that_we_dial_come_first_and_networks_have_turns",
        f"{_DAEMON}/test_links.py::test_too_many_callers",
    ),
    "key-left": (
        f"{_DAEMON}/test_privateops.py::test_what_is_withdrawn_is_not_begun",
        f"{_DAEMON}/test_links.py::test_work_for_callers_that_have_left_is_not_begun",
    ),
    "junk": (
        f"{_HERE}/test_datagrams.py::test_junk_moves_nothing",
        f"{_TUNNEL}/test_pipeline_probes.py::test_only_asked_replies_count",
        f"{_SCENARIOS}/hostile_udp.py::_flood",
    ),
    "budget": (
        f"{_TUNNEL}/test_lookup.py::test_strangers_cannot_buy_more_than_the_budget",
        f"{_TUNNEL}/test_lookup.py::test_a_crowd_behind_one_address_is_bounded_too",
        f"{_TUNNEL}/test_pump_strangers.py::test_strangers",
        f"{_TUNNEL}/test_pump_strangers.py::test_many_strangers",
    ),
    "name": (
        f"{_HERE}/test_datagrams.py::test_what_a_name_is_good_for",
        f"{_DAEMON}/test_crowds.py::TestCalm::test_junk_is_tested_once",
        f"{_TUNNEL}/test_pump_strangers.py::test_forged_datagrams_of_a_known_address",
    ),
    "order": (
        f"{_HERE}/test_datagrams.py::test_a_comparison_in_constant_time_decides",
        f"{_HERE}/test_datagrams.py::test_what_is_forged_is_not_decrypted",
        f"{_TUNNEL}/test_codec.py::TestMatches::test_by_the_mac_alone",
    ),
    "replay": (
        "tests/crypto/test_replay.py::test_no_number_is_accepted_twice",
        f"{_TUNNEL}/test_pipeline.py::test_a_replayed_datagram_is_dropped",
        f"{_TUNNEL}/test_pipeline_senders.py"
        "::test_a_replayed_datagram_does_not_move_the_address",
        f"{_SCENARIOS}/replay.py::play",
    ),
    "input": (
        f"{_META}/test_messages.py::test_only_peer_errors_come_of_any_line",
        f"{_META}/test_messages.py::test_only_peer_errors_come_of_any_field",
        f"{_META}/test_connection.py::test_any_bytes_in_any_pieces",
        f"{_TUNNEL}/test_pipeline.py::test_any_bytes_are_survived",
        f"{_SCENARIOS}/hostile.py::_say_fatal",
        f"{_SCENARIOS}/hostile_udp.py::_member_gone_bad",
    ),
    "fault": (
        f"{_TRANSPORT}/test_metasocket.py::test_an_error_of_ours_costs_the_connection",
        f"{_DAEMON}/test_links.py::test_an_error_of_ours_costs_one_link",
        f"{_DAEMON}/test_links.py::test_an_error_of_ours_in_a_timer",
        f"{_DAEMON}/test_unexpected.py::test_a_traceback_once_for_each_place",
    ),
}

MEMBERS: Final[dict[str, tuple[str, ...]]] = {
    "clear": (
        f"{_TUNNEL}/test_tunnel.py::TestPlaintextByThePeersWish"
        "::test_is_refused_and_logged_once",
        f"{_META}/test_handshake_refusals.py::test_a_metakey_we_do_not_want",
        f"{_SCENARIOS}/killers.py::_clear_text",
    ),
    "stream": ("tests/crypto/test_streamciphers.py::test_budget_ends_the_stream",),
    "nodes": (
        f"{_CONTROL}/test_edges.py::test_limit_on_nodes",
        f"{_CONTROL}/test_edges.py::test_names_that_no_file_can_have",
        f"{_CONTROL}/test_subnets.py::test_limit_on_owners",
    ),
    "edges": (
        f"{_CONTROL}/test_edges.py::test_limit_on_edges",
        f"{_CONTROL}/test_edges.py::test_no_node_fills_the_table_of_edges_alone",
    ),
    "subnets": (
        f"{_CONTROL}/test_subnets.py::test_limit_on_subnets",
        f"{_CONTROL}/test_subnets.py::test_no_owner_fills_the_table_alone",
        f"{_CONTROL}/test_subnets.py::test_learned_macs_are_limited",
    ),
    "room": (
        f"{_CONTROL}/test_edges.py"
        "::test_a_neighbour_has_edges_whatever_others_have_filled",
        f"{_CONTROL}/test_subnets.py"
        "::test_a_neighbour_tells_of_itself_whatever_others_have_filled",
        f"{_CONTROL}/test_subnets.py::test_learned_macs_have_room_in_a_full_table",
    ),
    "seen": (f"{_CONTROL}/test_seen.py::test_oldest_go_when_it_is_full",),
    "deferred": (
        f"{_CONTROL}/test_deferred.py::test_full_store_takes_words_as_they_come",
    ),
    "letters": (f"{_CONTROL}/test_subnets.py::test_long_names_fill_the_tables_sooner",),
    "dump": (
        f"{_DAEMON}/test_links_time.py::test_who_joins_a_large_mesh_is_not_given_up",
        f"{_TRANSPORT}/test_metasocket.py"
        "::test_a_dump_takes_turns_and_waits_for_the_socket",
    ),
    "output": (
        f"{_DAEMON}/test_links_time.py::test_a_peer_that_does_not_read",
        f"{_DAEMON}/test_links_time.py::test_a_peer_that_reads_too_little",
        f"{_SCENARIOS}/floods.py::_does_not_read",
    ),
    "bombs": (
        f"{_TUNNEL}/test_compression.py::test_a_bomb_is_not_unpacked",
        f"{_TUNNEL}/test_compression.py::TestLzo::test_a_bomb_is_not_unpacked",
        f"{_TUNNEL}/test_compression.py::TestZstd::test_memory_is_bounded",
    ),
    "costs": (
        "tests/costs/test_costs.py::test_cost",
        f"{_DAEMON}/test_collector.py::test_no_search_looks_at_all_there_is",
    ),
    "turns": (
        f"{_TRANSPORT}/test_turns.py::test_no_turn_is_long_and_all_is_done",
        f"{_DAEMON}/test_links_turns.py"
        "::test_no_turn_is_long_however_many_say_how_much",
        f"{_DAEMON}/test_links_turns.py"
        "::test_a_neighbour_is_answered_while_another_floods",
    ),
    "steps": (
        f"{_TUNNEL}/test_pipeline_steps.py::test_no_step_is_long",
        f"{_TUNNEL}/test_pump_outward.py::test_segments_count_each_wherever_they_go",
        f"{_DAEMON}/test_readers.py::test_expensive_super_packets_take_turns",
        f"{_DAEMON}/test_readers.py::test_expensive_datagrams_take_turns",
    ),
    "slices": (
        f"{_DAEMON}/test_slices.py::test_no_slice_is_longer_than_it_may_be",
        "tests/costs/test_slices.py::test_walk_gives_way",
        "tests/costs/test_flips.py::test_a_node_among_many_costs_few_lines_of_the_turn",
        f"{_DAEMON}/test_probing.py::test_steps_that_are_due_together_take_turns",
    ),
    "scripts": (
        f"{_SERVICE}/test_script_queue.py::test_the_queue_has_an_end",
        f"{_SERVICE}/test_script_patience.py"
        "::test_a_slow_script_is_complained_about_and_waited_for",
        f"{_SERVICE}/test_script_patience.py"
        "::test_a_script_that_never_ends_keeps_the_next_one_for_its_patience",
        f"{_SERVICE}/test_script_patience.py"
        "::test_of_too_many_that_never_end_the_oldest_is_killed",
    ),
    "denial": (
        f"{_DAEMON}/test_graphruns_keys.py"
        "::test_neighbour_that_is_denied_and_set_right_does_not_wait",
        f"{_CONTROL}/test_own_edges.py"
        "::test_denial_of_an_old_link_is_set_right_at_once_though_another_is_young",
        "conformance/probes/denials.py::_measure",
    ),
    "looks": (
        f"{_OBSERVE}/test_paths.py"
        "::test_a_graph_searched_each_second_has_so_many_nodes_looked_at",
        f"{_OBSERVE}/test_paths.py::test_nodes_that_change_by_the_thousand_take_turns",
        f"{_DAEMON}/test_statusline.py"
        "::test_a_storm_has_so_many_nodes_counted_a_second_and_in_steps",
    ),
    "ring": (
        f"{_OBSERVE}/test_events.py::test_a_node_has_a_quarter_and_its_newest_are_kept",
        f"{_OBSERVE}/test_events.py::test_ring_is_bounded_in_order_and_forgets_nobody",
        f"{_OBSERVE}/test_problems.py"
        "::test_nodes_that_take_turns_at_being_wrong_do_not_make_the_list_longer",
    ),
    "namesake": (
        f"{_CONTROL}/test_own_edges.py::test_namesake_makes_us_rest",
        f"{_SCENARIOS}/killers.py::_contradictions",
    ),
    "strict": (
        f"{_CONTROL}/test_subnets.py::test_add_subnet",
        f"{_CONTROL}/test_context.py::test_tunnel_server_implies_strict_subnets",
        f"{_DAEMON}/test_daemon.py::test_strict_subnets_are_known_from_the_start",
        f"{_SCENARIOS}/strictsubnets.py::play",
        f"{_SCENARIOS}/tunnelserver.py::play",
    ),
    "markup": (
        f"{_ADMIN}/test_pagescript.py::TestParts"
        "::test_it_has_landmarks_and_no_markup_out_of_texts",
        f"{_ADMIN}/test_pagescript.py::TestPolicy::test_and_nothing_else",
        f"{_ADMIN}/test_page.py::TestFollowing::test_no_text_is_a_message_of_its_own",
        f"{_SCENARIOS}/pagebrowser.py::_thousand",
    ),
}

HOST: Final[dict[str, tuple[str, ...]]] = {
    "key-file": (
        f"{_HERE}/test_keys.py::test_a_key_file_is_born_private",
        f"{_CONFIG}/test_keyfile.py::test_a_private_file_becomes_private",
        f"{_CONFIG}/test_keys.py::test_wide_modes_get_a_warning",
        f"{_CONFIG}/test_ed25519keygen.py::test_a_new_key",
    ),
    "key-shown": (
        f"{_HERE}/test_keys.py::test_no_key_in_errors",
        f"{_HERE}/test_keys.py::test_no_key_of_the_configuration_in_errors",
        f"{_HERE}/test_keys.py::test_no_key_of_a_message_is_shown",
        f"{_CONFIG}/test_keyfile.py::test_a_key_is_not_shown",
        "tests/crypto/test_rsa.py::test_nothing_of_a_key_is_shown",
        f"{_CONFIG}/test_settings.py::test_the_private_exponent_is_not_shown",
        f"{_META}/test_connection_time.py::test_no_key_material_is_shown",
        f"{_TUNNEL}/test_tunnel.py::test_no_key_material_in_representations",
        "conformance/harness/checks.py::key_complaints",
    ),
    "key-log": ("tests/service/test_log.py::test_a_file_with_keys_is_private",),
    "escape": (
        f"{_SERVICE}/test_outputs.py::test_nothing_unprintable_gets_through",
        f"{_SERVICE}/test_log.py::test_a_traceback_has_lines_of_its_own",
        "conformance/harness/checks.py::log_complaints",
    ),
    "flood": (
        f"{_SERVICE}/test_floods.py::test_one_place_writes_so_many_a_second",
        f"{_SERVICE}/test_floods.py::test_the_same_line_becomes_a_count",
        f"{_CONTROL}/test_context.py::test_warnings_are_rationed",
        f"{_TUNNEL}/test_lookup.py::test_lines_about_strangers_are_few",
        f"{_TUNNEL}/test_pipeline.py::test_empty_datagrams_do_not_fill_the_log",
        f"{_SCENARIOS}/hostile_udp.py::_flood",
    ),
    "arguments": (
        f"{_META}/test_messages.py::test_names_that_are_none",
        f"{_SERVICE}/test_scripts.py::test_characters_of_the_path_mean_nothing",
        f"{_SCENARIOS}/killers.py::_names_as_addresses",
    ),
    "environment": (
        f"{_SERVICE}/test_scripts.py::test_the_environment_is_new_for_each_script",
        f"{_SERVICE}/test_scripts.py::test_descriptors_are_not_inherited",
    ),
    "log": (
        f"{_SERVICE}/test_sink.py::test_a_full_pipe_does_not_stop_us",
        f"{_SERVICE}/test_sink.py::test_a_fifo_is_not_waited_for",
        f"{_SERVICE}/test_syslog.py::test_the_socket_of_a_syslogd_never_waits",
        f"{_SERVICE}/test_syslog.py::test_a_hanging_syslogd_gets_all_of_it_later",
        f"{_SERVICE}/test_backlog.py::test_a_gap_is_told_where_it_is",
        f"{_SERVICE}/test_backlog.py::test_all_that_is_not_counted_as_lost_arrives",
        f"{_SERVICE}/test_log.py::test_a_full_disk_costs_only_the_lines",
        "conformance/probes/logpipe.py::unread",
        "conformance/probes/syslog.py::_measure",
    ),
    "manager": (
        f"{_SERVICE}/test_notify.py::test_the_socket_never_waits",
        f"{_SERVICE}/test_notify.py::test_readiness_arrives_when_there_is_room",
        f"{_SERVICE}/test_notify.py::test_signs_of_life_are_not_kept",
        "conformance/probes/notify.py::_measure",
    ),
    "helpers": (
        f"{_TRANSPORT}/test_resolver.py::test_nobody_waits_for_a_resolver_that_hangs",
        f"{_TRANSPORT}/test_resolver.py"
        "::test_a_resolver_that_hangs_takes_so_many_threads",
        f"{_TRANSPORT}/test_proxy.py::test_a_command_that_not_even_kill_ends_is_left",
        f"{_DAEMON}/test_graphdump.py"
        "::test_a_command_that_hangs_is_ended_with_all_of_its_own",
    ),
    "pings": (
        f"{_DAEMON}/test_pings.py::test_questions_keep_a_distance",
        f"{_DAEMON}/test_pings.py::test_more_than_fit_into_a_second_are_refused",
        f"{_DAEMON}/test_operators.py::test_pings_without_end_are_refused",
        f"{_DAEMON}/test_operators.py::test_who_may_look_may_not_change",
    ),
    "foreign": (
        f"{_ADMIN}/test_page.py::TestHosts::test_a_name_that_others_choose_is_none",
        f"{_ADMIN}/test_page.py::TestRecords::test_are_passed_on_as_they_are",
        f"{_SCENARIOS}/page.py::_refusals",
    ),
    "followers": (
        f"{_ADMIN}/test_page.py::TestFollowing::test_so_many_by_default",
        f"{_ADMIN}/test_page.py::TestServer::test_ends_when_who_follows_has_gone",
        f"{_ADMIN}/test_page.py::TestServer::test_ends_when_a_piece_is_not_taken",
        f"{_SCENARIOS}/page.py::_refusals",
    ),
    "user": (
        f"{_SERVICE}/test_privileges.py::test_groups_then_root_then_user",
        f"{_SERVICE}/test_privileges.py::test_a_way_back_is_an_error",
        f"{_DAEMON}/test_daemon.py::test_priority_and_privileges",
        f"{_SCENARIOS}/privileges.py::play",
    ),
    "root": (
        "tests/test_cli_start.py::test_what_is_open_before_the_root_changes",
        f"{_SERVICE}/test_pidfile.py::test_nothing_is_open_while_the_daemon_runs",
        f"{_DAEMON}/test_daemon.py"
        "::test_what_leads_out_is_closed_before_the_root_changes",
        f"{_SCENARIOS}/privileges.py::_started_with_a_way_out",
    ),
    "reload": (
        f"{_CONFIG}/test_settings.py::test_fatal_values_say_where",
        f"{_DAEMON}/test_run.py::test_a_configuration_that_will_not_do",
        f"{_DAEMON}/test_daemon_signals.py"
        "::test_a_broken_configuration_changes_nothing",
        "tests/test_cli_start.py::test_configuration_errors_go_to_the_log_file",
        f"{_SCENARIOS}/reload.py::play_broken",
    ),
    "hardened": (
        "tests/test_built.py::test_nothing_is_shown_but_the_module",
        "tests/test_built.py::test_tables_of_functions_are_read_only",
        "tests/test_built.py::test_functions_notice_a_stack_that_was_overrun",
    ),
    "wiped": ("tests/promises/test_secrets.py::test_no_trace_of_a_key_is_left",),
    "readers": (
        f"{_SERVICE}/test_control_socket.py"
        "::test_the_file_is_nobody_elses_even_for_a_moment",
        f"{_SERVICE}/test_control_socket.py"
        "::test_without_a_group_the_file_is_for_its_owner",
        f"{_SCENARIOS}/socketrights.py::play",
    ),
    "changers": (
        f"{_DAEMON}/test_operators.py::test_who_may_look_may_not_change",
        f"{_DAEMON}/test_operators.py::test_the_user_of_the_daemon_may_change",
        f"{_SERVICE}/test_control_socket.py::test_who_may_change_something",
    ),
    "keyless": (f"{_HERE}/test_answers.py::test_no_key_is_in_any_answer",),
    "clients": (
        f"{_TRANSPORT}/test_operators.py::test_a_further_client_is_told_to_come_again",
    ),
    "request": (
        f"{_TRANSPORT}/test_http_bounds.py::test_a_longer_request_is_refused",
        f"{_TRANSPORT}/test_http_bounds.py::test_a_long_body_is_refused",
        f"{_TRANSPORT}/test_http_bounds.py::test_a_request_has_to_be_whole_in_time",
        f"{_TRANSPORT}/test_http_streams.py::test_no_stream_breaks_a_bound",
    ),
    "unsent": (
        f"{_TRANSPORT}/test_http_bounds.py::test_more_than_may_wait_ends_the_connection",
        f"{_TRANSPORT}/test_http_bounds.py::test_a_client_that_does_not_read_is_dropped_in_time",
        f"{_TRANSPORT}/test_operators.py::test_a_client_that_does_not_read_is_dropped",
    ),
    "glance": (
        f"{_TRANSPORT}/test_operators.py"
        "::test_all_clients_together_have_a_millisecond_of_a_turn",
        f"{_DAEMON}/test_operators_crowd.py::test_sixteen_clients_share_each_turn",
        "tests/costs/test_operators.py::test_no_step_is_longer_in_a_crowd",
    ),
    "follower": (
        f"{_OBSERVE}/test_events.py::test_a_slow_follower_is_told_what_it_missed",
        f"{_OBSERVE}/test_events.py"
        "::test_a_follower_behind_many_events_reads_few_of_them_at_a_time",
    ),
}

PROOFS: Final = {**STRANGERS, **MEMBERS, **HOST}
