"""What cannot be tried from outside, for it needs the engine or the host itself, and which test of
this folder holds it instead.
"""

ELSEWHERE = {
    "an image made of a commit of a container, or with the service's labels": (
        "test_identity.py::test_what_is_made_from_a_commit_of_ours_is_somebody_elses"
    ),
    "a container of somebody else's called as another's id": (
        "test_identity.py::test_an_id_goes_before_the_name_of_a_stranger"
    ),
    "a container of somebody else's called as the service calls a successor": (
        "test_identity.py::test_a_container_called_like_a_successor_keeps_nobody_from_moving"
    ),
    "a clock that is an hour ahead": (
        "test_identity.py::test_a_clock_that_is_ahead_makes_nothing_a_husk"
    ),
    "an image whose user is root by another name": (
        "test_users.py::test_an_image_whose_user_may_be_root"
    ),
    "a key that is revoked while its stream is open": (
        "test_keys.py::test_an_open_stream_ends_when_its_key_is_revoked"
    ),
    "a volume of somebody else's": (
        "test_what_may_be_asked.py::test_volumes_of_others_are_not_given"
    ),
    "all places taken from two addresses, with answers that nobody reads": (
        "test_limits.py::test_those_without_a_key_that_do_not_read_give_way"
    ),
    "containers that reach each other, or the service": (
        "test_networks.py::test_containers_do_not_reach_each_other"
    ),
    "secrets in the log or the audit": (
        "test_audit.py::test_each_change_leaves_a_line_and_no_secret"
    ),
    "an audit that cannot be written": (
        "test_audit.py::test_changes_are_refused_where_the_audit_is_required_and_lost"
    ),
    "an image that exposes all ports": (
        "test_images.py::test_an_image_takes_no_more_ports_than_a_request_may_name"
    ),
    "a page of another origin, in a browser": (
        "test_browsers.py::test_a_page_of_another_origin_cannot_stop_a_container"
    ),
}
