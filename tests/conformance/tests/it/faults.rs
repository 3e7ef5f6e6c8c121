//! The faults, and the claims that each has to break.

use sandpiper_core::Capabilities;

use crate::double::{ABLE, UNABLE};
use crate::fault::Fault::{self, *};

/// Keeps its commands off the network, as it says.
pub const SECLUDED: Capabilities = Capabilities { network_nothing: true, network_everything: false, ..ABLE };
/// Mounts without anything else.
pub const MOUNTING: Capabilities = Capabilities { mounts: true, ..ABLE };
/// Mounts and counts bytes.
pub const MOUNTING_BYTES: Capabilities = Capabilities { disk_bytes: true, ..MOUNTING };
/// Counts lifetimes in minutes.
pub const MINUTES: Capabilities = Capabilities { lifetime_in_seconds: false, ..ABLE };
/// Ends what runs when it sets a sandbox aside.
pub const ENDING: Capabilities = Capabilities { pause_keeps_processes: false, ..ABLE };

/// A double that is wrong, and the claims that it breaks.
#[derive(Debug)]
pub struct Seed {
    pub capabilities: Capabilities,
    pub fault: Option<Fault>,
    /// The names, apart by spaces.
    breaks: &'static str,
}

impl Seed {
    pub fn breaks(&self) -> impl Iterator<Item = &'static str> {
        self.breaks.split_whitespace()
    }
}

fn fault(fault: Fault, breaks: &'static str) -> Seed {
    offering(ABLE, fault, breaks)
}

fn offering(capabilities: Capabilities, fault: Fault, breaks: &'static str) -> Seed {
    Seed { capabilities, fault: Some(fault), breaks }
}

/// A double that says it does what it does not.
fn lies(capabilities: Capabilities, breaks: &'static str) -> Seed {
    Seed { capabilities, fault: None, breaks }
}

pub fn seeds() -> Vec<Seed> {
    vec![
        fault(IsUnwell, "the_backend_is_well"),
        fault(
            ChangesItsMind,
            "the_capabilities_are_the_same_whenever_they_are_asked_for mounts_are_refused \
             a_limit_of_fuel_is_refused a_limit_of_memory_is_refused \
             a_limit_of_table_elements_is_refused a_limit_of_temporary_files_is_refused \
             a_limit_of_descriptors_is_refused a_limit_of_processes_is_refused \
             the_absence_of_network_is_refused rules_of_network_are_refused \
             a_virtual_clock_is_refused a_seed_is_refused a_module_file_is_refused",
        ),
        offering(
            UNABLE,
            ChangesItsMind,
            "a_lifetime_is_refused metadata_is_refused metering_by_deadline_alone_is_refused",
        ),
        offering(SECLUDED, ChangesItsMind, "the_whole_network_is_refused"),
        offering(
            MOUNTING,
            ChangesItsMind,
            "mounts_in_mounts_are_refused mounts_that_hide_git_are_refused \
             writable_mounts_without_a_count_of_bytes_are_refused",
        ),
        offering(MOUNTING_BYTES, ChangesItsMind, "writable_mounts_without_a_count_of_files_are_refused"),
        offering(
            UNABLE,
            DoesWhatItDoesNotOffer,
            "connecting_is_refused listing_is_refused letting_go_is_refused \
             setting_a_lifetime_is_refused pausing_is_refused a_snapshot_is_refused \
             a_copy_is_refused figures_are_refused a_port_is_refused \
             without_signals_an_interrupt_has_no_effect git_of_the_host_is_refused \
             an_observer_of_changes_is_refused",
        ),
        fault(
            PrintsABanner,
            "two_sandboxes_run_at_one_time what_a_command_has_in_the_background_is_waited_for \
             a_sandbox_runs_a_command a_program_gets_no_other_arguments \
             a_command_that_prints_nothing_gives_nothing a_command_runs_under_a_deadline_alone \
             a_sandbox_with_network_reaches_itself input_is_no_terminal a_pipeline_runs \
             python_starts_programs deep_directories_work",
        ),
        fault(NamesAnotherBackend, "a_reference_names_the_backend_and_is_text_and_back"),
        fault(NamesAllTheSame, "references_of_two_sandboxes_differ a_copy_is_apart"),
        fault(ChangesItsName, "a_reference_stays_the_same"),
        fault(
            SharesFiles,
            "what_is_in_a_sandbox_is_not_in_another \
             a_new_sandbox_is_clean_though_an_earlier_one_was_not",
        ),
        fault(ClosesOnce, "closing_twice_is_closing_once a_sandbox_that_was_connected_to_is_closed_for_all"),
        fault(
            StaysOpen,
            "nothing_runs_in_a_closed_sandbox a_closed_sandbox_has_no_files closing_ends_what_runs \
             a_closed_sandbox_is_not_found a_dropped_sandbox_is_gone",
        ),
        fault(StaysWhenDropped, "a_dropped_sandbox_is_gone"),
        fault(TakesAnyImage, "an_image_that_is_not_there_is_refused"),
        lies(
            Capabilities {
                mounts: true,
                disk_bytes: true,
                files: true,
                nested_mounts: true,
                hidden_git: true,
                tells_changes: true,
                ..ABLE
            },
            "a_mounted_directory_is_the_hosts a_read_only_mount_is_not_changed \
             a_mount_hides_what_it_is_mounted_on a_hidden_git_directory_is_not_seen \
             commands_begin_in_the_workspace_that_is_mounted changes_are_told_before_they_are_made \
             bytes_written_to_mounts_end_at_their_limit files_in_mounts_end_at_their_limit",
        ),
        lies(Capabilities { virtual_clock: true, ..ABLE }, "a_virtual_clock_begins_where_it_was_set"),
        lies(Capabilities { seed: true, ..ABLE }, "a_seed_gives_the_same_randomness"),
        lies(Capabilities { module_files: true, ..ABLE }, "a_module_file_runs"),
        lies(Capabilities { network_nothing: true, ..ABLE }, "nothing_is_reached_without_network"),
        lies(Capabilities { fuel: true, ..ABLE }, "fuel_runs_out fuel_that_was_used_is_told"),
        lies(Capabilities { memory: true, ..ABLE }, "memory_ends_at_its_limit"),
        lies(Capabilities { tmp_bytes: true, ..ABLE }, "temporary_files_end_at_their_limit"),
        lies(Capabilities { descriptors: true, ..ABLE }, "descriptors_end_at_their_limit"),
        lies(Capabilities { processes: true, ..ABLE }, "processes_end_at_their_limit"),
        lies(Capabilities { host_git: true, ..ABLE }, "the_host_carries_out_git"),
        fault(PrintsZeros, "without_a_seed_randomness_differs"),
        fault(TellsFuel, "a_command_runs_under_a_deadline_alone"),
        fault(
            CountsOneByteTooFew,
            "output_up_to_its_limit_is_kept_whole output_above_its_limit_is_cut_at_that_byte",
        ),
        fault(
            CountsOneByteTooMany,
            "output_above_its_limit_is_cut_at_that_byte the_output_limit_is_one_for_both_streams \
             endless_output_ends_at_its_limit",
        ),
        fault(HasRoomForTwiceTheOutput, "the_output_limit_is_one_for_both_streams"),
        fault(
            IgnoresTheOutputLimit,
            "output_above_its_limit_is_cut_at_that_byte endless_output_ends_at_its_limit",
        ),
        fault(CutsInSilence, "output_above_its_limit_is_cut_at_that_byte"),
        fault(
            JoinsArguments,
            "plain_arguments_arrive spaces_and_tabs_do_not_part_an_argument \
             what_a_shell_would_expand_arrives_as_it_is \
             a_command_is_found_by_its_name_without_a_shell",
        ),
        fault(ExpandsDollars, "what_a_shell_would_expand_arrives_as_it_is"),
        fault(EscapesQuotes, "quotes_and_backslashes_arrive"),
        fault(
            TrimsArguments,
            "spaces_and_tabs_do_not_part_an_argument newlines_and_control_characters_arrive",
        ),
        fault(TakesAsciiAlone, "unicode_arrives_in_arguments"),
        fault(DropsEmptyArguments, "empty_arguments_are_kept"),
        fault(EatsDashes, "leading_dashes_are_the_commands_alone"),
        fault(CutsArguments, "an_argument_of_100_kb_arrives"),
        fault(TakesAHundredArguments, "a_thousand_arguments_arrive"),
        fault(AddsAnArgument, "plain_arguments_arrive a_program_gets_no_other_arguments"),
        fault(TakesAnyCommand, "what_is_no_command_is_refused"),
        fault(
            TellsAnotherCode,
            "a_failure_in_a_pipeline_is_seen_by_pipefail an_exit_code_is_given_as_it_is \
             an_exit_code_of_python_is_given_as_it_is",
        ),
        fault(TellsSevenBitsOfACode, "codes_above_127_are_the_guests_own"),
        fault(ReadsCodes, "codes_of_124_to_127_are_the_guests_own codes_above_127_are_the_guests_own"),
        fault(
            TellsCodesAlone,
            "a_command_that_is_not_there_is_not_found a_path_that_is_not_there_is_not_found \
             a_file_that_may_not_be_executed_is_not_runnable a_directory_is_not_runnable",
        ),
        fault(FindsNothing, "a_file_that_may_not_be_executed_is_not_runnable a_directory_is_not_runnable"),
        fault(
            TellsNoSignals,
            "a_signal_that_ends_a_command_is_in_its_exit_code a_signal_ends_a_command_that_does_not \
             an_interrupt_ends_a_command_that_does_not",
        ),
        fault(TellsNoTime, "the_time_that_a_command_took_is_told"),
        fault(
            BreaksWithAFailure,
            "a_failed_command_does_not_harm_the_next a_sandbox_is_whole_after_a_deadline",
        ),
        fault(
            DropsStderr,
            "stdout_and_stderr_arrive_apart each_stream_arrives_in_order \
             a_megabyte_of_stderr_arrives_whole the_output_of_many_commands_is_not_mixed",
        ),
        fault(
            SwapsStreams,
            "stdout_and_stderr_arrive_apart what_is_printed_one_after_the_other_arrives_so \
             what_a_failing_command_printed_arrives",
        ),
        fault(MergesStreams, "stdout_and_stderr_arrive_apart each_stream_arrives_in_order"),
        fault(
            PrintsAllAtTheEnd,
            "files_are_worked_with_while_a_command_runs output_arrives_while_the_command_runs \
             an_event_has_64_kib_at_most what_was_printed_before_the_deadline_arrives \
             what_was_printed_before_it_is_cancelled_arrives \
             a_stream_of_input_arrives_piece_by_piece \
             what_is_printed_one_after_the_other_arrives_so",
        ),
        fault(
            LosesTheLastPiece,
            "a_last_line_without_a_newline_arrives five_megabytes_arrive_whole \
             what_a_child_prints_last_arrives a_megabyte_goes_through_cat",
        ),
        fault(TrimsOutput, "a_last_line_without_a_newline_arrives"),
        fault(
            PrintsTextOnly,
            "all_bytes_arrive_as_they_are text_that_is_cut_within_a_character_arrives_whole \
             all_bytes_of_input_arrive_as_they_are",
        ),
        fault(GivesEmptyEvents, "a_command_that_prints_nothing_gives_nothing an_event_has_64_kib_at_most"),
        fault(LosesWhatNobodyTakes, "a_command_waits_for_a_reader_that_is_slow"),
        fault(RepeatsOutput, "an_outcome_does_not_repeat_what_was_streamed"),
        fault(
            IgnoresDeadlines,
            "a_command_that_sleeps_ends_at_its_deadline \
             a_command_that_computes_ends_at_its_deadline \
             a_command_that_waits_for_input_ends_at_its_deadline",
        ),
        fault(CallsItASignal, "a_command_that_sleeps_ends_at_its_deadline a_command_is_cancelled"),
        fault(EndsTheFirstAlone, "nothing_goes_on_after_the_deadline"),
        fault(GoesOnWhenEnded, "nothing_goes_on_after_the_deadline nothing_goes_on_after_it_is_cancelled"),
        fault(CountsTimeForAll, "each_command_has_the_whole_time"),
        fault(
            ClosesWhenItEndsACommand,
            "a_sandbox_is_whole_after_a_deadline a_sandbox_is_whole_after_a_command_is_cancelled \
             one_command_is_cancelled_and_the_other_goes_on",
        ),
        fault(
            StartsAtOnce,
            "nothing_runs_before_it_is_polled a_command_that_was_never_polled_is_dropped \
             a_command_that_is_dropped_ends",
        ),
        fault(
            IgnoresCancel,
            "a_command_is_cancelled a_command_that_computes_is_cancelled \
             a_command_that_is_cancelled_before_it_begins_ends",
        ),
        fault(CancelsAll, "one_command_is_cancelled_and_the_other_goes_on"),
        fault(KeepsClosedStreams, "a_writer_ends_whose_stream_is_closed"),
        fault(
            IgnoresSignals,
            "a_signal_reaches_a_command_that_waits_for_it \
             an_interrupt_reaches_a_command_that_waits_for_it a_signal_ends_a_command_that_does_not \
             an_interrupt_ends_a_command_that_does_not",
        ),
        fault(
            KillsForAnySignal,
            "a_signal_reaches_a_command_that_waits_for_it \
             an_interrupt_reaches_a_command_that_waits_for_it",
        ),
        fault(InterruptsTheFirstAlone, "an_interrupt_ends_what_a_command_has_started"),
        fault(
            HoldsInputOpen,
            "without_input_the_first_read_is_the_end bytes_of_input_arrive_and_end \
             the_end_of_a_stream_is_the_end_of_input",
        ),
        fault(GivesNoInput, "bytes_of_input_arrive_and_end input_reaches_the_commands_children"),
        fault(AddsANewlineToInput, "input_without_a_newline_arrives"),
        fault(TakesTextForInput, "all_bytes_of_input_arrive_as_they_are a_megabyte_goes_through_cat"),
        fault(CutsInput, "a_megabyte_goes_through_cat a_megabyte_of_a_stream_goes_through_cat"),
        fault(WaitsForInput, "a_stream_that_does_not_end_holds_nothing_up"),
        fault(FailsWithoutAReader, "input_that_is_not_read_holds_nothing_up"),
        fault(
            ReadsAllInputFirst,
            "a_stream_of_input_arrives_piece_by_piece a_stream_that_does_not_end_holds_nothing_up",
        ),
        fault(TakesTerminalsForStreams, "a_terminal_is_one_or_is_refused"),
        fault(
            IgnoresVariables,
            "a_variable_of_the_command_arrives a_variable_may_be_set_that_the_image_has \
             odd_values_of_variables_arrive_as_they_are variables_of_commands_at_one_time_are_apart",
        ),
        fault(
            IgnoresTheSpecsVariables,
            "a_variable_of_the_spec_arrives_in_each_command \
             the_commands_variable_wins_over_the_specs a_copy_has_the_files_and_settings",
        ),
        fault(PrefersTheSpecsVariables, "the_commands_variable_wins_over_the_specs"),
        fault(PrefersTheFirstVariable, "the_later_of_two_variables_wins"),
        fault(PrefersItsOwnVariables, "a_variable_may_be_set_that_the_image_has"),
        fault(TrimsVariables, "odd_values_of_variables_arrive_as_they_are"),
        fault(CutsVariables, "a_variable_of_100_kb_arrives"),
        fault(LeavesVariables, "variables_do_not_stay_for_the_next_command"),
        fault(HasNoHome, "the_home_and_the_temporary_directory_are_writable"),
        fault(BeginsInTmp, "commands_begin_in_the_workspace_or_at_the_root"),
        fault(
            IgnoresCwd,
            "a_command_begins_where_it_is_told a_directory_with_an_odd_name_is_begun_in \
             a_change_of_directory_does_not_stay_for_the_next_command",
        ),
        fault(BeginsAnywhere, "a_directory_that_is_not_there_is_refused a_file_is_no_directory_to_begin_in"),
        fault(RunsOneAtATime, "two_commands_run_at_one_time"),
        fault(WaitsForTheBackground, "a_command_ends_though_its_background_does_not"),
        fault(ForgetsFiles, "files_stay_from_command_to_command"),
        fault(
            TellsNoReason,
            "a_file_that_is_not_there_is_not_read a_directory_is_not_read \
             a_path_through_a_file_leads_nowhere what_is_not_there_is_not_looked_at \
             a_file_is_not_written_into_a_directory_that_is_not_there a_directory_is_not_written \
             a_file_is_not_written_below_a_file the_mode_of_what_is_not_there_is_not_set \
             what_is_not_there_is_not_edited what_is_no_symlink_is_not_read_as_one \
             what_is_not_there_is_not_removed what_is_not_there_is_not_renamed \
             nothing_is_renamed_into_a_directory_that_is_not_there \
             a_directory_is_not_made_where_a_file_is what_is_not_there_is_not_listed \
             a_file_is_not_listed nothing_is_found_where_nothing_is \
             what_is_not_there_is_not_watched a_glob_that_is_none_is_refused \
             an_expression_that_is_none_is_refused a_directory_that_goes_is_told \
             a_text_that_is_not_there_is_no_match",
        ),
        fault(NamesNoPaths, "an_error_names_what_was_asked_for"),
        fault(
            ReadsAnything,
            "a_file_that_is_not_there_is_not_read a_directory_is_not_read \
             what_is_no_symlink_is_not_read_as_one a_file_is_not_listed",
        ),
        fault(ReadsText, "all_bytes_of_a_file_are_read two_megabytes_are_written_and_read"),
        fault(ReadsNoEmptyFiles, "an_empty_file_is_read"),
        fault(ReadsNoLinks, "a_file_is_read_through_a_symlink"),
        fault(
            TakesLimitsForSuggestions,
            "a_file_of_the_limit_is_read_and_no_larger_one an_archive_above_the_limit_is_refused",
        ),
        fault(TellsNoSizes, "a_file_is_looked_at entries_are_listed_with_what_they_are"),
        fault(
            FollowsWhatItLooksAt,
            "a_symlink_is_looked_at_itself entries_are_listed_with_what_they_are \
             what_is_found_is_told_with_what_it_is",
        ),
        fault(TellsOneMode, "the_mode_of_a_file_is_told a_mode_is_set a_change_of_mode_is_seen"),
        fault(TellsNoTimes, "the_time_of_a_change_is_told"),
        fault(LosesAWrite, "many_files_are_written_at_one_time"),
        fault(WritesNothingEmpty, "an_empty_file_is_written"),
        fault(WritesAppend, "a_shorter_content_replaces_a_longer_one"),
        fault(WritesOver, "a_shorter_content_replaces_a_longer_one"),
        fault(ForgetsModes, "a_file_keeps_its_mode_when_it_is_written an_edit_keeps_the_mode"),
        fault(ReplacesLinks, "a_file_is_written_through_a_symlink"),
        fault(MakesWhatLeadsThere, "a_file_is_not_written_into_a_directory_that_is_not_there"),
        fault(WritesOverDirectories, "a_directory_is_not_written"),
        fault(LeavesWhatIsBeside, "nothing_is_left_beside_what_is_written"),
        fault(WritesText, "two_megabytes_are_written_and_read"),
        fault(WritesAMegabyte, "two_megabytes_are_written_and_read"),
        fault(DecodesNames, "odd_names_of_files_work"),
        fault(TakesShortPaths, "deep_directories_work odd_and_long_names_go_in_and_come_out"),
        fault(SetsNoModes, "a_mode_is_set a_file_that_is_made_executable_runs"),
        fault(
            EditsTheFirstPlace,
            "all_places_are_replaced_where_that_is_asked_for \
             a_text_that_is_there_twice_is_ambiguous",
        ),
        fault(EditsWhatWasThere, "each_edit_sees_what_the_one_before_has_left"),
        fault(EditsInPart, "when_one_edit_fails_none_is_made"),
        fault(EditsAnything, "what_is_not_utf_8_is_not_edited"),
        fault(EditsLines, "edits_are_of_text_as_it_is"),
        fault(ResolvesLinks, "a_symlink_is_read symlinks_of_an_archive_are_unpacked"),
        fault(
            RemovesNothing,
            "a_file_is_removed an_empty_directory_is_removed \
             a_directory_is_removed_with_all_that_is_in_it a_directory_that_goes_is_told \
             what_is_not_there_is_not_removed",
        ),
        fault(RemovesAll, "a_directory_that_is_not_empty_is_kept"),
        fault(FollowsWhatItRemoves, "a_symlink_is_removed_and_not_what_it_points_to"),
        fault(FollowsWhatItRemovesBelow, "removal_does_not_follow_symlinks"),
        fault(
            RenamesNothing,
            "a_file_is_renamed a_directory_is_renamed a_rename_is_seen_as_removal_and_creation",
        ),
        fault(RenamesOverNothing, "a_rename_replaces_a_file"),
        fault(
            RenamesByCopy,
            "a_directory_is_renamed a_rename_keeps_mode_and_content \
             nothing_is_renamed_into_a_directory_that_is_not_there",
        ),
        fault(RenamesOverDirectories, "a_rename_does_not_replace_a_directory_that_is_not_empty"),
        fault(LinksRenamed, "a_file_is_renamed"),
        fault(
            MakesOneDirectory,
            "a_directory_is_made_with_those_that_lead_to_it \
             an_archive_is_unpacked_into_a_new_directory",
        ),
        fault(MakesDirectoriesAnew, "a_directory_that_is_there_is_left_as_it_is"),
        fault(ListsInDisorder, "entries_are_listed_by_the_order_of_their_names"),
        fault(ListsNothingHidden, "entries_are_listed_by_the_order_of_their_names"),
        fault(ListsFilesAlone, "entries_are_listed_with_what_they_are"),
        fault(ListsAHundred, "a_thousand_entries_are_listed"),
        fault(ListsItself, "an_empty_directory_is_listed"),
        fault(FindsByPathsAlone, "a_glob_without_a_slash_is_for_the_name"),
        fault(FindsByLooseGlobs, "a_glob_with_a_slash_is_for_the_path"),
        fault(
            FindsWhatIsHidden,
            "what_is_hidden_is_found_where_that_is_asked_for \
             hidden_files_are_searched_where_that_is_asked_for",
        ),
        fault(FollowsWhatItFinds, "directories_and_symlinks_are_found_and_not_followed"),
        fault(FindsFilesAlone, "what_is_found_is_told_with_what_it_is"),
        fault(FindsWithoutLimit, "a_limit_of_findings_is_kept_and_told a_limit_of_lines_is_kept_and_told"),
        fault(FindsAllAlways, "a_limit_of_findings_is_kept_and_told a_limit_of_lines_is_kept_and_told"),
        fault(SearchesTextAlone, "lines_are_found_by_an_expression"),
        fault(SearchesExpressionsAlone, "lines_are_found_by_their_text"),
        fault(SearchesInTheOtherCase, "case_is_ignored_where_that_is_asked_for"),
        fault(SearchesAllFiles, "lines_are_found_in_files_of_a_glob"),
        fault(SearchesDirectoriesAlone, "lines_are_found_in_one_file"),
        fault(SearchesBinaries, "files_that_are_no_text_are_not_searched"),
        fault(CountsFromZero, "lines_are_found_by_an_expression"),
        fault(CountsCharacters, "lines_end_where_they_end"),
        fault(KeepsEndsOfLines, "lines_end_where_they_end"),
        fault(ShowsWholeLines, "a_long_line_is_shortened"),
        fault(UnpacksAnything, "what_is_no_archive_is_refused"),
        fault(UnpacksNothing, "files_of_an_archive_are_unpacked two_megabytes_go_in_and_come_out"),
        fault(UnpacksWithoutModes, "what_is_packed_is_unpacked_again modes_of_an_archive_are_kept"),
        fault(UnpacksWithoutLinks, "symlinks_of_an_archive_are_unpacked"),
        fault(UnpacksFilesAlone, "empty_directories_of_an_archive_are_unpacked"),
        fault(UnpacksWhereThereIsADirectory, "an_archive_is_unpacked_into_a_new_directory"),
        fault(ClearsBeforeItUnpacks, "what_is_not_in_an_archive_stays"),
        fault(
            PacksNothing,
            "what_is_packed_is_unpacked_again a_tree_is_packed \
             a_directory_that_is_not_there_is_not_packed an_archive_above_the_limit_is_refused",
        ),
        fault(PacksWithoutModes, "a_tree_is_packed"),
        fault(LeavesArchives, "archives_leave_nothing_behind"),
        fault(ConnectsToAnother, "a_sandbox_is_found_by_its_reference a_sandbox_that_was_let_go_of_lives_on"),
        fault(ConnectsToNothing, "a_sandbox_that_never_was_is_gone"),
        fault(
            NamesOddly,
            "a_reference_names_the_backend_and_is_text_and_back \
             a_sandbox_is_found_by_the_text_of_its_reference",
        ),
        fault(ClosesWhatIsLetGo, "a_sandbox_that_was_let_go_of_lives_on"),
        fault(ListsNothing, "a_sandbox_is_listed_while_it_is_there"),
        fault(ListsWhatIsGone, "a_sandbox_is_listed_while_it_is_there"),
        fault(ListsAll, "sandboxes_are_listed_by_their_metadata"),
        fault(ForgetsMetadata, "metadata_is_in_the_reference"),
        fault(IgnoresLifetime, "a_sandbox_ends_when_its_lifetime_is_over"),
        fault(IgnoresNewLifetime, "a_lifetime_is_set_anew an_end_that_is_told_is_the_end_of_the_lifetime"),
        offering(MINUTES, ChangesItsMind, "a_lifetime_in_seconds_is_refused"),
        offering(MINUTES, DoesWhatItDoesNotOffer, "setting_a_lifetime_in_seconds_is_refused"),
        fault(ForgetsFilesInPause, "a_paused_sandbox_keeps_its_files"),
        fault(ListsAllAsRunning, "a_paused_sandbox_is_listed_as_that"),
        fault(TreatsProcessesTheOtherWay, "what_runs_goes_on_after_a_pause"),
        offering(ENDING, TreatsProcessesTheOtherWay, "what_runs_ends_with_a_pause"),
        fault(CopiesNothing, "a_snapshot_is_an_image_with_the_files a_copy_has_the_files_and_settings"),
        fault(CopiesLater, "a_snapshot_does_not_change_with_its_sandbox a_copy_is_apart"),
        fault(TellsNonsense, "figures_are_plausible a_port_is_reached"),
        fault(
            ReadsAHalf,
            "what_is_written_is_read_by_commands what_a_command_wrote_is_read \
             two_megabytes_are_written_and_read",
        ),
        fault(SeesFilesAlone, "a_directory_is_looked_at"),
        fault(EditsNothing, "a_text_that_is_there_once_is_replaced"),
        fault(TellsNoChanges, "changes_by_commands_are_seen deeper_changes_are_seen_where_that_is_asked_for"),
        fault(ListsNoFiles, "a_change_is_waited_for a_directory_is_listed_through_a_symlink"),
    ]
}
