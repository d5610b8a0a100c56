// Practice Cloud: a small orchestrator to practise releases on.
package practice.agent;

import static org.junit.Assert.assertEquals;

import java.nio.file.Path;
import java.util.List;
import org.junit.Test;
import practice.checkstyle.SourceRules;

public class SourceRulesTest {
    @Test
    public void sourcesKeepTheRules() {
        assertEquals(List.of(), SourceRules.violations(Path.of("src")));
    }
}
