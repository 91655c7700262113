//! The sizes of groups that a scenario is played by.

/// Makes tests of these scenarios, each for a group of three nodes, of five and of seven, by a clock that runs ahead while all wait.
macro_rules! of_three_five_and_seven {
    ($($scenario:ident),+ $(,)?) => {$(
        mod $scenario {
            #[tokio::test(start_paused = true)]
            async fn of_3() {
                super::$scenario(3).await;
            }

            #[tokio::test(start_paused = true)]
            async fn of_5() {
                super::$scenario(5).await;
            }

            #[tokio::test(start_paused = true)]
            async fn of_7() {
                super::$scenario(7).await;
            }
        }
    )+};
}
